//! What the proxy's method returns.

use super::references;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Error, GenericArgument, Ident, Path, PathArguments, PathSegment, Result, ReturnType, Type,
    TypePath,
};

/// Returns the type that comes back if the call succeeds.
pub(super) fn output(method: &Ident, declared: &ReturnType) -> Result<TokenStream> {
    let ReturnType::Type(_, ty) = declared else {
        return Ok(quote!(()));
    };
    if matches!(&**ty, Type::ImplTrait(_)) {
        let why = format!("`{method}` returns `impl Trait`, which is no type that can travel");
        return Err(Error::new_spanned(ty, why));
    }
    if references::within(ty) {
        let why = format!(
            "`{method}` returns a reference, and the object is in another process: return an \
             owned value"
        );
        return Err(Error::new_spanned(ty, why));
    }
    Ok(value_of_anyhow(ty).map_or_else(|| quote!(#ty), |value| quote!(#value)))
}

/// Returns `T` of `anyhow::Result<T>`, of a bare `Result<T>`, which is short for it, and of
/// `Result<T, anyhow::Error>`.
fn value_of_anyhow(ty: &Type) -> Option<&Type> {
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
        let name: Ident = parse_quote!(f);
        output(&name, declared).map_or_else(|error| error.to_string(), |ty| ty.to_string())
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
    fn what_cannot_travel_is_refused_by_name() {
        assert!(of(&parse_quote!(-> Option<&str>)).starts_with("`f` returns a reference"));
        assert!(of(&parse_quote!(-> impl Iterator)).starts_with("`f` returns `impl Trait`"));
    }
}
