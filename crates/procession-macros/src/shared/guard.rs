//! Methods whose counterpart on the proxy returns a guard.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{
    Attribute, GenericArgument, Ident, ImplItemFn, LitStr, PathArguments, Result, Type, parse2,
};

/// The method that takes back what this one gives.
pub(super) struct Guard(Ident);

impl Guard {
    /// Reads `#[shared(guard = "method")]`.
    pub(super) fn read(attributes: &[Attribute]) -> Result<Option<Self>> {
        let mut guard = None;
        for attribute in attributes.iter().filter(|one| is_ours(one)) {
            attribute.parse_nested_meta(|meta| {
                if !meta.path.is_ident("guard") {
                    return Err(meta.error("a method has the option `guard = \"method\"`"));
                }
                guard = Some(Self(meta.value()?.parse::<LitStr>()?.parse()?));
                Ok(())
            })?;
        }
        Ok(guard)
    }

    /// Makes a guard of what the call gives, which is of type `output`, or of what is in there if
    /// that is an `Option` or a `Result`.
    pub(super) fn around(
        &self,
        call: &TokenStream,
        output: &mut TokenStream,
        private: &TokenStream,
    ) -> TokenStream {
        let take_back = &self.0;
        let (outer, given) = match inside(output) {
            Some((outer, given, rest)) => (Some((outer, rest)), given),
            None => (None, output.clone()),
        };
        let held = quote!(#private::Held<'_, Self, #given>);
        let back = if given.to_string() == "()" {
            quote!(|proxy, ()| ::core::result::Result::map(Self::#take_back(proxy), |_| ()))
        } else {
            quote! {
                |proxy, given| ::core::result::Result::map(Self::#take_back(proxy, given), |_| ())
            }
        };
        let wrap = quote!(|given| #private::Held::new(self, given, #back));
        let Some((outer, rest)) = outer else {
            *output = held;
            return quote!(::core::result::Result::map(#call, #wrap));
        };
        *output = quote!(#outer<#held #(, #rest)*>);
        quote!(::core::result::Result::map(#call, |given| given.map(#wrap)))
    }
}

/// Returns the name, the first argument and the other arguments of an `Option` or a `Result`.
fn inside(output: &TokenStream) -> Option<(Ident, TokenStream, Vec<GenericArgument>)> {
    let Ok(Type::Path(path)) = parse2(output.clone()) else {
        return None;
    };
    let last = path.path.segments.into_iter().next_back()?;
    let PathArguments::AngleBracketed(arguments) = last.arguments else {
        return None;
    };
    let mut arguments = arguments.args.into_iter();
    let first = arguments.next()?.into_token_stream();
    let is_known = last.ident == "Option" || last.ident == "Result";
    is_known.then(|| (last.ident, first, arguments.collect()))
}

/// Takes what is this attribute's off the method.
pub(super) fn strip(function: &mut ImplItemFn) {
    function.attrs.retain(|one| !is_ours(one));
}

fn is_ours(attribute: &Attribute) -> bool {
    let path = attribute.path();
    path.segments
        .last()
        .is_some_and(|last| last.ident == "shared")
}
