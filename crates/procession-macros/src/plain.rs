//! The `plain` attribute.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{
    Attribute, Error, Field, Ident, Item, ItemStruct, Path, Result, Token, TypePath, parse2,
};

/// Puts the layout and the derives that plain data needs before a struct or an enum.
pub(crate) fn expand(arguments: &TokenStream, item: &TokenStream) -> Result<TokenStream> {
    let checked = is_checked(arguments)?;
    let parsed = parse2::<Item>(item.clone());
    let (attributes, layout, traits) = match &parsed {
        Ok(Item::Struct(item)) if checked || names_checked_type(item) => {
            return expand_checked(item);
        }
        Ok(Item::Struct(item)) => (&item.attrs, quote!(#[repr(C)]), ANY),
        Ok(Item::Enum(item)) => (&item.attrs, quote!(#[repr(u8)]), CHECKED),
        _ => {
            return Err(Error::new_spanned(
                item,
                "put this attribute on a struct or an enum",
            ));
        }
    };
    let layout = reprs(attributes).is_empty().then_some(layout);
    let missing = missing(attributes, item.span())?;
    let traits = traits.iter().map(|name| Ident::new(name, item.span()));
    // What is wrong with a field is told of the struct.
    Ok(quote_spanned! {item.span()=>
        #[derive(#(::core::prelude::v1::#missing,)* #(::procession::#traits,)*)]
        #[bytemuck(crate = "::procession::bytemuck")]
        #layout
        #item
    })
}

/// Whether the attribute says that not all bytes are a value.
fn is_checked(arguments: &TokenStream) -> Result<bool> {
    match arguments.to_string().as_str() {
        "" => Ok(false),
        "checked" => Ok(true),
        _ => Err(Error::new_spanned(
            arguments,
            "the one option of `plain` is `checked`",
        )),
    }
}

/// As [`expand`], for a struct whose bytes are looked at field by field.
fn expand_checked(item: &ItemStruct) -> Result<TokenStream> {
    let given = reprs(&item.attrs);
    let layout = given.is_empty().then(|| quote!(#[repr(C)]));
    let missing = missing(&item.attrs, item.span())?;
    let (name, visibility) = (&item.ident, &item.vis);
    let field = |(index, field): (usize, &Field)| {
        let numbered = || Ident::new(&format!("field{index}"), field.span());
        field.ident.clone().unwrap_or_else(numbered)
    };
    let fields: Vec<_> = item.fields.iter().enumerate().map(field).collect();
    let types: Vec<_> = item.fields.iter().map(|field| &field.ty).collect();
    Ok(quote_spanned! {item.span()=>
        #[derive(#(::core::prelude::v1::#missing,)* ::procession::NoUninit)]
        #[bytemuck(crate = "::procession::bytemuck")]
        #layout
        #item

        const _: () = {
            /// The fields' bits.
            #[derive(Clone, Copy, ::procession::bytemuck::AnyBitPattern)]
            #[bytemuck(crate = "::procession::bytemuck")]
            #layout
            #(#given)*
            #visibility struct Bits {
                #(#fields: <#types as ::procession::CheckedBitPattern>::Bits,)*
            }
            ::procession::__plain_bits!(#name, Bits, #(#fields: #types,)*);
        };
    })
}

/// Whether a field's type is one of which not all bytes are a value, as far as its name tells.
fn names_checked_type(item: &ItemStruct) -> bool {
    struct Found(bool);

    impl Visit<'_> for Found {
        fn visit_type_path(&mut self, ty: &TypePath) {
            let last = ty.path.segments.last();
            let name = last.map_or_else(String::new, |last| last.ident.to_string());
            self.0 |= name == "bool" || name == "char" || name.starts_with("NonZero");
        }
    }

    let mut found = Found(false);
    found.visit_fields(&item.fields);
    found.0
}

fn reprs(attributes: &[Attribute]) -> Vec<&Attribute> {
    let reprs = attributes.iter();
    reprs.filter(|it| it.path().is_ident("repr")).collect()
}

/// What of `Clone` and `Copy` is not derived yet.
fn missing(attributes: &[Attribute], span: Span) -> Result<Vec<Ident>> {
    let derived = derived(attributes)?;
    let missing = ["Clone", "Copy"].into_iter();
    let missing = missing.filter(|name| !derived.contains(name));
    Ok(missing.map(|name| Ident::new(name, span)).collect())
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
    fn a_struct_is_checked_if_it_has_to_be() {
        let by_name = quote!(
            struct Flag {
                mass: f64,
                on: [bool; 8],
            }
        );
        let by_option = quote!(
            struct Lamp(Colour);
        );
        let by_option = expand(&quote!(checked), &by_option).unwrap().to_string();
        for text in [expanded(&by_name), by_option] {
            assert!(!text.contains("Pod"), "{text}");
            assert_eq!(text.matches("__plain_bits").count(), 1, "{text}");
            assert_eq!(text.matches("repr (C)").count(), 2, "{text}");
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
        let refusal = refused.unwrap_err().to_string();
        assert_eq!(refusal, "the one option of `plain` is `checked`");
    }
}
