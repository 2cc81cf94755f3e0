//! `Self` in a signature, which on the proxy would be the proxy.

use syn::visit_mut::{self, VisitMut};
use syn::{ExprPath, Path, QSelf, Signature, Type, TypePath, parse_quote};

/// Writes the type out wherever the signature says `Self`.
pub(super) fn write_out(signature: &mut Signature, object: &Type) {
    WriteOut(object).visit_signature_mut(signature);
}

struct WriteOut<'a>(&'a Type);

impl WriteOut<'_> {
    /// Returns what stands for a path that begins with `Self::`.
    fn qualified(&self, qself: Option<&QSelf>, path: &Path) -> Option<TypePath> {
        let begins = path
            .segments
            .first()
            .is_some_and(|segment| segment.ident == "Self");
        if qself.is_some() || !begins || path.segments.len() < 2 {
            return None;
        }
        let (object, rest) = (self.0, path.segments.iter().skip(1));
        Some(parse_quote!(<#object>#(::#rest)*))
    }
}

impl VisitMut for WriteOut<'_> {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        if let Type::Path(path) = ty {
            if path.qself.is_none() && path.path.is_ident("Self") {
                *ty = self.0.clone();
                return;
            }
            if let Some(qualified) = self.qualified(path.qself.as_ref(), &path.path) {
                *path = qualified;
            }
        }
        visit_mut::visit_type_mut(self, ty);
    }

    fn visit_expr_path_mut(&mut self, path: &mut ExprPath) {
        if let Some(qualified) = self.qualified(path.qself.as_ref(), &path.path) {
            path.qself = qualified.qself;
            path.path = qualified.path;
        }
        visit_mut::visit_expr_path_mut(self, path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::{ToTokens, quote};

    fn written_out(mut signature: Signature) -> String {
        write_out(&mut signature, &parse_quote!(Stack<T>));
        signature.to_token_stream().to_string()
    }

    #[test]
    fn self_is_the_object_not_the_proxy() {
        let signature = parse_quote!(fn f(a: Self, b: Vec<Self>, c: Self::Item) -> [u8; Self::N]);
        let expected = quote! {
            fn f(a: Stack<T>, b: Vec<Stack<T> >, c: <Stack<T> >::Item) -> [u8; <Stack<T> >::N]
        };
        assert_eq!(written_out(signature), expected.to_string());
    }
}
