//! Looking for references inside a type.

use syn::visit::{self, Visit};
use syn::{Lifetime, Type, TypeReference};

/// Tells whether a value of the type holds a reference, as far as its text shows it.
pub(super) fn within(ty: &Type) -> bool {
    let mut search = Search(false);
    search.visit_type(ty);
    search.0
}

struct Search(bool);

impl<'ast> Visit<'ast> for Search {
    fn visit_type_reference(&mut self, _: &'ast TypeReference) {
        self.0 = true;
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        self.0 |= lifetime.ident != "static";
    }

    // What a function or a trait object in the type takes is not held by the value.
    fn visit_parenthesized_generic_arguments(
        &mut self,
        _: &'ast syn::ParenthesizedGenericArguments,
    ) {
    }

    fn visit_type(&mut self, ty: &'ast Type) {
        if !matches!(ty, Type::BareFn(_)) {
            visit::visit_type(self, ty);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn references_are_found_at_any_depth() {
        for ty in [
            parse_quote!(&str),
            parse_quote!(Vec<&u8>),
            parse_quote!(Cow<'a, str>),
        ] {
            assert!(within(&ty));
        }
        for ty in [parse_quote!(Vec<String>), parse_quote!(Cow<'static, str>)] {
            assert!(!within(&ty));
        }
    }
}
