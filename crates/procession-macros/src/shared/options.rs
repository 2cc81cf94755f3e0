//! What stands in the parentheses of the attribute.

use proc_macro2::TokenStream;
use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::{Ident, LitStr, Member, Path, Result, Token, Type, parenthesized, parse_quote};

/// The options of `shared`.
pub(super) struct Options {
    /// The crate or module that has the manager's items.
    pub(super) root: Path,
    /// The name of the proxy, if it is not the usual one.
    pub(super) proxy: Option<Ident>,
    /// Whether the object is hosted without a lock.
    pub(super) concurrent: bool,
    /// The methods that programs with another executable do not get.
    pub(super) local: Vec<Ident>,
    /// The field that `with` and `call` lend, and its type.
    pub(super) lend: Option<(Member, Type)>,
    /// Whether the proxy is there already, and gets more methods.
    pub(super) extend: bool,
}

impl Options {
    pub(super) fn parse(arguments: TokenStream) -> Result<Self> {
        let root = parse_quote!(::procession::manager);
        let mut options = Self {
            root,
            proxy: None,
            concurrent: false,
            local: Vec::new(),
            lend: None,
            extend: false,
        };
        syn::meta::parser(|meta| options.set(&meta)).parse2(arguments)?;
        Ok(options)
    }

    fn set(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        if meta.path.is_ident("concurrent") {
            self.concurrent = true;
        } else if meta.path.is_ident("crate") {
            self.root = meta.value()?.parse::<LitStr>()?.parse()?;
        } else if meta.path.is_ident("proxy") {
            self.proxy = Some(meta.value()?.parse::<LitStr>()?.parse()?);
        } else if meta.path.is_ident("local") {
            meta.parse_nested_meta(|method| {
                self.local.push(method.path.require_ident()?.clone());
                Ok(())
            })?;
        } else if meta.path.is_ident("extend") {
            self.extend = true;
        } else if meta.path.is_ident("lend") {
            let content;
            parenthesized!(content in meta.input);
            let field = content.parse()?;
            content.parse::<Token![:]>()?;
            self.lend = Some((field, content.parse()?));
        } else {
            let known = "the options are `concurrent`, `extend`, `lend(field: Type)`, \
                         `local(method, ..)`, `proxy = \"Name\"` and `crate = \"path\"`";
            return Err(meta.error(known));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::{ToTokens, quote};

    #[test]
    fn all_options_are_read() {
        let options = quote!(concurrent, local(sort, max), proxy = "Lock", crate = "a::b");
        let options = Options::parse(options).unwrap();
        assert!(options.concurrent);
        assert_eq!(options.local, ["sort", "max"]);
        let options = Options::parse(quote!(extend, lend(items: Vec<T>))).unwrap();
        let (field, ty) = options.lend.unwrap();
        assert!(options.extend);
        assert_eq!(
            quote!(#field: #ty).to_string(),
            quote!(items: Vec<T>).to_string()
        );
        let options = Options::parse(quote!(concurrent, proxy = "Lock", crate = "a::b")).unwrap();
        assert_eq!(options.proxy.unwrap(), "Lock");
        assert_eq!(options.root.to_token_stream().to_string(), "a :: b");
    }

    #[test]
    fn an_unknown_option_is_told_the_known_ones() {
        let error = Options::parse(quote!(parallel)).err().unwrap().to_string();
        assert!(error.starts_with("the options are `concurrent`"), "{error}");
    }
}
