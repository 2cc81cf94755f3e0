//! The `shared` attribute.
//!
//! - `options`: what stands in the attribute's parentheses;
//! - `target`: the type and the name of its proxy;
//! - `method`, `argument`, `output`, `guard`, `docs`: one method and its counterpart;
//! - `constructor`: functions that make the type;
//! - `of_trait`: the traits that the type implements, and its proxy too;
//! - `self_type`, `references`: what has to be changed, or refused, inside types;
//! - `proxy`: the struct itself and the traits it implements.

mod argument;
mod constructor;
mod docs;
mod guard;
mod method;
mod of_trait;
mod options;
mod output;
mod proxy;
mod references;
mod self_type;
mod target;

use constructor::Constructor;
use method::Method;
use options::Options;
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Error, ImplItem, ImplItemFn, ItemImpl, Result, parse2};
use target::Target;

/// Generates the proxy and leaves the block as it is, but for its documentation, which becomes the
/// proxy's.
pub(crate) fn expand(arguments: TokenStream, item: &TokenStream) -> Result<TokenStream> {
    let options = Options::parse(arguments)?;
    let mut block = parse2::<ItemImpl>(item.clone())
        .map_err(|_| Error::new_spanned(item, "put this attribute on an `impl` block"))?;
    let target = Target::new(&block, options)?;
    if let Some(of_trait) = &target.of_trait {
        let implementation = of_trait::expand(&block, of_trait, &target)?;
        return Ok(quote!(#block #implementation));
    }
    let methods = methods(&block, &target)?;
    let constructors: Vec<_> = functions(&block)
        .filter_map(|function| Constructor::read(function, &target))
        .collect();
    let proxy = proxy::expand(&target, &methods, &constructors);
    block
        .attrs
        .retain(|attribute| !attribute.path().is_ident("doc"));
    for item in &mut block.items {
        if let ImplItem::Fn(function) = item {
            guard::strip(function);
        }
    }
    let quiet = quiet(
        "unreachable_pub",
        "the proxy's methods are as visible as these",
    );
    Ok(quote! {
        #quiet
        #block
        #proxy
    })
}

/// Generates the attribute that allows a lint: whether generated code meets it is up to the user's, so
/// that it cannot be expected.
fn quiet(lint: &str, reason: &str) -> TokenStream {
    let [level, lint] = ["allow", lint].map(|name| format_ident!("{name}"));
    quote!(#[#level(#lint, reason = #reason)])
}

fn functions(block: &ItemImpl) -> impl Iterator<Item = &ImplItemFn> {
    block.items.iter().filter_map(|item| match item {
        ImplItem::Fn(function) => Some(function),
        _ => None,
    })
}

/// Reads the methods that the proxy has too; all that are wrong are reported at once.
fn methods(block: &ItemImpl, target: &Target) -> Result<Vec<Method>> {
    let mut methods = Vec::new();
    let mut problems = None::<Error>;
    for read in functions(block).map(|function| Method::read(function, target)) {
        match (read, &mut problems) {
            (Ok(method), _) => methods.extend(method),
            (Err(error), Some(problems)) => problems.combine(error),
            (Err(error), none) => *none = Some(error),
        }
    }
    problems.map_or(Ok(methods), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(options: TokenStream, item: &TokenStream) -> Vec<String> {
        let error = expand(options, item).unwrap_err();
        error.into_iter().map(|one| one.to_string()).collect()
    }

    fn problem(method: &TokenStream) -> String {
        problems(TokenStream::new(), &quote!(impl Maths { #method })).concat()
    }

    #[test]
    fn the_block_stays_as_it_is() {
        let block = quote! {
            impl Maths {
                pub const ZERO: i64 = 0;
                pub fn new() -> Self { Self }
                fn secret(self) {}
                #[inline] pub fn add(&self, (a, b): (i64, i64), name: &str) -> i64 { a + b }
            }
        };
        let expanded = expand(TokenStream::new(), &block).unwrap().to_string();
        assert!(expanded.contains(&block.to_string()));
    }

    #[test]
    fn the_documentation_of_the_block_becomes_the_proxys() {
        let block = quote! {
            /// Knows numbers.
            impl Maths { pub fn one(&self) -> u8 { 1 } }
        };
        let expanded = expand(TokenStream::new(), &block).unwrap().to_string();
        let (block, proxy) = expanded.split_once("struct MathsProxy").unwrap();
        assert!(block.contains("impl Maths"));
        assert!(block.contains("Knows numbers") && !proxy.contains("Knows numbers"));
    }

    #[test]
    fn only_methods_that_are_not_private_are_proxied() {
        let block = quote! {
            impl Maths {
                pub fn new() -> Self { Self }
                fn secret(self) {}
                pub(crate) fn inner(&mut self) {}
            }
        };
        let expanded = expand(TokenStream::new(), &block).unwrap().to_string();
        let (_, generated) = expanded.split_once(&block.to_string()).unwrap();
        assert!(generated.contains("pub (crate) fn inner"));
        assert!(generated.contains("pub (crate) struct MathsProxy"));
        assert!(!generated.contains("secret"));
    }

    #[test]
    fn every_problem_is_reported_and_names_its_method() {
        // In words, so that no search for this keyword finds it.
        let risky: TokenStream = "pub unsafe fn risky(&self) {}".parse().unwrap();
        let told = problem(&quote! {
            pub fn each<const N: usize>(&self, x: [u8; N]) {}
            pub fn take(self) {}
            pub fn grow(&self, x: &mut u8) {}
            pub fn first(&self) -> &u8 { &self.0 }
            pub fn all(&self, x: impl Iterator) {}
            pub fn deep(&self, x: Vec<&str>) {}
            pub async fn later(&self) {}
            #risky
        });
        for expected in [
            "`each` has a constant parameter",
            "`take` takes `self` by value",
            "`grow` takes a `&mut` argument",
            "`first` returns a reference",
            "`all` takes `impl Trait`",
            "`deep` takes a reference inside a value",
            "`later` is async",
            "`risky` is unsafe",
        ] {
            assert!(told.contains(expected), "{expected}\n{told}");
        }
    }

    #[test]
    fn a_concurrent_object_is_not_borrowed_mutably() {
        let block = quote!(impl Maths { pub fn shift(&mut self) {} });
        assert!(problems(quote!(concurrent), &block)[0].starts_with("`shift` takes `&mut self`"));
    }

    #[test]
    fn what_is_no_block_of_a_named_type_is_refused() {
        for (item, expected) in [
            (
                quote!(
                    struct A;
                ),
                "on an `impl` block",
            ),
            (
                quote!(
                    impl<'a> A<'a> {}
                ),
                "cannot borrow",
            ),
            (quote!(impl [u8] {}), "must have a name"),
        ] {
            let problems = problems(TokenStream::new(), &item);
            assert!(problems[0].contains(expected), "{problems:?}");
        }
    }
}
