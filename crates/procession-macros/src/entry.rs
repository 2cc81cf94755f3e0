//! The `main` attribute.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Error, ItemFn, Result, parse_quote, parse2};

/// Puts the call of `init` before everything else in `main`.
pub(crate) fn expand(arguments: &TokenStream, item: &TokenStream) -> Result<TokenStream> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(arguments, "`main` takes no options"));
    }
    let mut function = parse2::<ItemFn>(item.clone())
        .map_err(|_| Error::new_spanned(item, "put this attribute on `fn main`"))?;
    check(&function)?;
    function
        .block
        .stmts
        .insert(0, parse_quote!(::procession::init();));
    Ok(quote!(#function))
}

fn check(function: &ItemFn) -> Result<()> {
    let signature = &function.sig;
    let refused = |at: &dyn ToTokens, why: &str| Err(Error::new_spanned(at.to_token_stream(), why));
    if signature.ident != "main" {
        let why = "only `main` can start processes from its first line: put this attribute there";
        return refused(&signature.ident, why);
    }
    if let Some(keyword) = &signature.asyncness {
        let why = "`main` must not be async: a child process stops in its first line, before any \
                   runtime starts; make a runtime inside and block on it";
        return refused(keyword, why);
    }
    if !signature.inputs.is_empty() {
        return refused(
            &signature.inputs,
            "`main` takes no arguments; use `std::env::args()`",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(item: &TokenStream) -> String {
        expand(&TokenStream::new(), item).unwrap_err().to_string()
    }

    #[test]
    fn init_is_the_first_statement() {
        let item = quote!(
            #[inline]
            fn main() -> anyhow::Result<()> {
                work()
            }
        );
        let expected = quote! {
            #[inline] fn main() -> anyhow::Result<()> { ::procession::init(); work() }
        };
        let expanded = expand(&TokenStream::new(), &item).unwrap();
        assert_eq!(expanded.to_string(), expected.to_string());
    }

    #[test]
    fn what_is_not_main_is_refused() {
        assert!(
            refusal(&quote!(
                fn start() {}
            ))
            .starts_with("only `main`")
        );
        assert!(
            refusal(&quote!(
                async fn main() {}
            ))
            .contains("must not be async")
        );
        assert!(
            refusal(&quote!(
                fn main(x: u8) {}
            ))
            .contains("takes no arguments")
        );
        assert!(
            refusal(&quote!(
                struct Main;
            ))
            .contains("put this attribute on `fn main`")
        );
    }

    #[test]
    fn options_are_refused() {
        let error = expand(
            &quote!(flavor = "fast"),
            &quote!(
                fn main() {}
            ),
        )
        .unwrap_err();
        assert_eq!(error.to_string(), "`main` takes no options");
    }
}
