//! What the proxy's method returns.

use super::references;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::visit_mut::{self, VisitMut};
use syn::{
    Error, GenericArgument, Ident, Path, PathArguments, PathSegment, Result, ReturnType, Type,
    TypeImplTrait, TypeParamBound, TypePath, parse_quote,
};

/// What comes back if the call succeeds.
pub(super) enum Output {
    /// A value of this type.
    Value(TokenStream),
    /// The items of this type that the iterator gives in the server, in batches.
    Items(Type),
}

impl Output {
    /// Reads what the method is declared to return.
    pub(super) fn new(
        method: &Ident,
        declared: &ReturnType,
        private: &TokenStream,
    ) -> Result<Self> {
        let ReturnType::Type(_, ty) = declared else {
            return Ok(Self::Value(quote!(())));
        };
        if let Type::ImplTrait(anonymous) = &**ty {
            return items(method, anonymous).map(Self::Items);
        }
        if references::within(ty) {
            let why = format!(
                "`{method}` returns a reference, and the object is in another process: return an \
                 owned value"
            );
            return Err(Error::new_spanned(ty, why));
        }
        let mut value = value_of_anyhow(ty).unwrap_or(ty).clone();
        Hosted(private).visit_type_mut(&mut value);
        Ok(Self::Value(value.into_token_stream()))
    }

    /// Returns the type.
    pub(super) fn ty(&self, private: &TokenStream) -> TokenStream {
        match self {
            Self::Value(ty) => ty.clone(),
            Self::Items(item) => quote!(#private::Fetched<#item>),
        }
    }

    /// Makes of what the method returns what comes back.
    pub(super) fn wrap(&self, returned: TokenStream, private: &TokenStream) -> TokenStream {
        match self {
            Self::Value(_) => returned,
            // What the iterator borrows from the object does not outlast the call.
            Self::Items(item) => quote! {
                #private::Each(::std::iter::IntoIterator::into_iter(
                    ::std::iter::Iterator::collect::<::std::vec::Vec<#item>>(#returned)
                ))
            },
        }
    }
}

/// Returns `T` of `impl Iterator<Item = T>`.
fn items(method: &Ident, anonymous: &TypeImplTrait) -> Result<Type> {
    let item = anonymous.bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(one) => item_of(&one.path),
        _ => None,
    });
    let why = || {
        let why = format!(
            "`{method}` returns `impl Trait`, which is no type that can travel: return a type with a \
             name, or `impl Iterator<Item = T>`"
        );
        Error::new_spanned(anonymous, why)
    };
    let item = item.ok_or_else(why)?;
    if references::within(&item) {
        let why = format!(
            "`{method}` returns an iterator over references, and the object is in another process: \
             return one over owned values"
        );
        return Err(Error::new_spanned(anonymous, why));
    }
    Ok(item)
}

fn item_of(path: &Path) -> Option<Type> {
    let last = path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    let is_iterator = last.ident.to_string().ends_with("Iterator");
    let mut arguments = arguments.args.iter().filter(|_| is_iterator);
    arguments.find_map(|argument| match argument {
        GenericArgument::AssocType(item) if item.ident == "Item" => Some(item.ty.clone()),
        _ => None,
    })
}

/// Writes the proxy of `T` where the type says `New<T>`.
struct Hosted<'a>(&'a TokenStream);

impl VisitMut for Hosted<'_> {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        if let Type::Path(TypePath { qself: None, path }) = ty {
            let new = path.segments.last().filter(|last| last.ident == "New");
            if let Some([object]) = new.map(types).as_deref() {
                let private = self.0;
                *ty = parse_quote!(<#object as #private::Shared>::Proxy);
                return;
            }
        }
        visit_mut::visit_type_mut(self, ty);
    }
}

/// Returns `T` of `anyhow::Result<T>`, of a bare `Result<T>`, which is short for it, and of
/// `Result<T, anyhow::Error>`.
pub(super) fn value_of_anyhow(ty: &Type) -> Option<&Type> {
    let Type::Path(TypePath { path, .. }) = ty else {
        return None;
    };
    let last = path
        .segments
        .last()
        .filter(|segment| segment.ident == "Result")?;
    match types(last).as_slice() {
        [value] if path.segments.len() == 1 || is_in_anyhow(path) => Some(value),
        [value, Type::Path(error)] if is_in_anyhow(&error.path) => Some(value),
        _ => None,
    }
}

/// Returns `T` of `Result<T, E>`.
pub(super) fn value_of_result(ty: &Type) -> Option<&Type> {
    let Type::Path(TypePath { path, .. }) = ty else {
        return None;
    };
    let last = path.segments.last();
    let last = last.filter(|segment| segment.ident == "Result")?;
    types(last).into_iter().next()
}

fn types(segment: &PathSegment) -> Vec<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return Vec::new();
    };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.collect()
}

fn is_in_anyhow(path: &Path) -> bool {
    path.segments
        .iter()
        .rev()
        .nth(1)
        .is_some_and(|segment| segment.ident == "anyhow")
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    fn of(declared: &ReturnType) -> String {
        let (name, private): (Ident, _) = (parse_quote!(f), quote!(p));
        let output = Output::new(&name, declared, &private);
        output.map_or_else(
            |error| error.to_string(),
            |output| output.ty(&private).to_string(),
        )
    }

    #[test]
    fn an_anyhow_result_is_its_value() {
        let value = quote!(Vec<u8>).to_string();
        assert_eq!(of(&parse_quote!(-> anyhow::Result<Vec<u8>>)), value);
        assert_eq!(of(&parse_quote!(-> Result<Vec<u8>>)), value);
        assert_eq!(
            of(&parse_quote!(-> Result<Vec<u8>, ::anyhow::Error>)),
            value
        );
    }

    #[test]
    fn other_types_are_themselves() {
        assert_eq!(
            of(&parse_quote!(-> Result<u8, Error>)),
            quote!(Result<u8, Error>).to_string()
        );
        let other = quote!(io::Result<u8>).to_string();
        assert_eq!(of(&parse_quote!(-> io::Result<u8>)), other);
        assert_eq!(of(&ReturnType::Default), "()");
    }

    #[test]
    fn a_new_object_is_its_proxy() {
        let proxy = of(&parse_quote!(-> Option<New<Tree>>)).replace(' ', "");
        assert_eq!(proxy, "Option<<Treeasp::Shared>::Proxy>");
    }

    #[test]
    fn an_iterator_is_fetched() {
        let fetched = quote!(p::Fetched<u8>).to_string();
        assert_eq!(
            of(&parse_quote!(-> impl Iterator<Item = u8> + Send)),
            fetched
        );
    }

    #[test]
    fn what_cannot_travel_is_refused_by_name() {
        assert!(of(&parse_quote!(-> Option<&str>)).starts_with("`f` returns a reference"));
        assert!(of(&parse_quote!(-> impl Iterator)).starts_with("`f` returns `impl Trait`"));
        let borrowed = of(&parse_quote!(-> impl Iterator<Item = &u8>));
        assert!(borrowed.starts_with("`f` returns an iterator over references"));
    }
}
