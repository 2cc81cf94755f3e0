//! The `plain` attribute.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Ident, Item, Path, Result, Token, parse2};

/// Puts the layout and the derives that plain data needs before a struct or an enum.
pub(crate) fn expand(arguments: &TokenStream, item: &TokenStream) -> Result<TokenStream> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(arguments, "`plain` takes no options"));
    }
    let parsed = parse2::<Item>(item.clone());
    let (attributes, layout, traits) = match &parsed {
        Ok(Item::Struct(item)) => (&item.attrs, quote!(#[repr(C)]), ANY),
        Ok(Item::Enum(item)) => (&item.attrs, quote!(#[repr(u8)]), CHECKED),
        _ => {
            return Err(Error::new_spanned(
                item,
                "put this attribute on a struct or an enum",
            ));
        }
    };
    let mut given = attributes.iter().map(Attribute::path);
    let layout = (!given.any(|path| path.is_ident("repr"))).then_some(layout);
    let derived = derived(attributes)?;
    let missing = ["Clone", "Copy"]
        .into_iter()
        .filter(|name| !derived.contains(name));
    let missing = missing.map(|name| Ident::new(name, item.span()));
    let traits = traits.iter().map(|name| Ident::new(name, item.span()));
    // What is wrong with a field is told of the struct.
    Ok(quote_spanned! {item.span()=>
        #[derive(#(::core::prelude::v1::#missing,)* #(::procession::#traits,)*)]
        #[bytemuck(crate = "::procession::bytemuck")]
        #layout
        #item
    })
}

/// What a struct derives, of which any bytes are a value.
const ANY: &[&str] = &["Pod", "Zeroable"];

/// What an enum derives, whose bytes are looked at before there is a value of them.
const CHECKED: &[&str] = &["NoUninit", "CheckedBitPattern"];

/// The last parts of the names of all that is derived.
fn derived(attributes: &[Attribute]) -> Result<Vec<&'static str>> {
    let mut found = Vec::new();
    let derives = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("derive"));
    for derive in derives {
        let paths = derive.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated)?;
        for name in ["Clone", "Copy"] {
            let last = paths.iter().filter_map(|path| path.segments.last());
            if last.into_iter().any(|last| last.ident == name) {
                found.push(name);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(item: &TokenStream) -> String {
        expand(&TokenStream::new(), item).unwrap().to_string()
    }

    #[test]
    fn what_is_there_is_not_added() {
        let item = quote!(
            #[derive(Debug, Clone, Copy)]
            #[repr(transparent)]
            struct Metres(f64);
        );
        let text = expanded(&item);
        assert_eq!(text.matches("Clone").count(), 1);
        assert_eq!(text.matches("Copy").count(), 1);
        assert_eq!(text.matches("repr").count(), 1);
    }

    #[test]
    fn what_is_missing_is_added() {
        let text = expanded(&quote!(
            struct Metres(f64);
        ));
        for added in ["Clone", "Copy", "Pod", "Zeroable", "repr (C)"] {
            assert_eq!(text.matches(added).count(), 1, "{added} in {text}");
        }
    }

    #[test]
    fn an_enum_is_checked() {
        let colour = quote!(
            enum Colour {
                Red,
            }
        );
        let text = expanded(&colour);
        for added in [
            "Clone",
            "Copy",
            "NoUninit",
            "CheckedBitPattern",
            "repr (u8)",
        ] {
            assert_eq!(text.matches(added).count(), 1, "{added} in {text}");
        }
        assert!(!text.contains("Pod"), "{text}");
    }

    #[test]
    fn only_structs_and_enums_are_plain() {
        let refused = expand(
            &TokenStream::new(),
            &quote!(
                fn red() {}
            ),
        );
        let refusal = refused.unwrap_err().to_string();
        assert_eq!(refusal, "put this attribute on a struct or an enum");
        let refused = expand(
            &quote!(packed),
            &quote!(
                struct Metres(f64);
            ),
        );
        assert_eq!(refused.unwrap_err().to_string(), "`plain` takes no options");
    }
}
