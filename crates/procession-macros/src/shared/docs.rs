//! The documentation of the proxy's methods.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Expr, ExprLit, Ident, Lit, Meta};

/// Returns the method's documentation, with what is true of every call where the method itself
/// says nothing about errors.
pub(super) fn docs(object: &str, method: &Ident, attributes: &[Attribute]) -> TokenStream {
    let docs: Vec<&Attribute> = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"))
        .collect();
    let own = docs.is_empty().then(|| {
        let doc = format!("Calls `{object}::{method}` in the manager's server.");
        quote!(#[doc = #doc])
    });
    let has_errors = docs.iter().any(|doc| text(doc).trim() == "# Errors");
    let errors = (!has_errors).then(|| quote!(#[doc = #ERRORS]));
    quote!(#(#docs)* #own #errors)
}

/// Returns the documentation of the proxy's function that has an object made.
pub(super) fn of_constructor(
    object: &str,
    function: &Ident,
    attributes: &[Attribute],
) -> TokenStream {
    let own = attributes.iter().filter(|one| one.path().is_ident("doc"));
    let doc =
        format!("Has the manager's server call `{object}::{function}`, and host what that makes.");
    quote!(#(#own)* #[doc = ""] #[doc = #doc] #[doc = #ERRORS])
}

const ERRORS: &str = "

# Errors

`ManagerError` if the call does not reach the object, or fails there.

# When the other side is gone

`ManagerError::Gone`, also if the server ends during the call.";

fn text(doc: &Attribute) -> String {
    let Meta::NameValue(meta) = &doc.meta else {
        return String::new();
    };
    match &meta.value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => text.value(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    fn of(attributes: &[Attribute]) -> String {
        docs("Maths", &parse_quote!(add), attributes).to_string()
    }

    #[test]
    fn a_method_without_documentation_gets_some() {
        let docs = of(&[]);
        assert!(docs.contains("Calls `Maths::add`") && docs.contains("# Errors"));
    }

    #[test]
    fn what_the_method_says_is_kept() {
        let docs = of(&[parse_quote!(#[doc = " Adds."])]);
        assert!(docs.starts_with(&quote!(#[doc = " Adds."]).to_string()));
        assert!(docs.contains("# Errors") && !docs.contains("Calls"));
        let docs = of(&[
            parse_quote!(#[doc = " Adds."]),
            parse_quote!(#[doc = " # Errors"]),
        ]);
        assert!(!docs.contains("ManagerError"));
    }
}
