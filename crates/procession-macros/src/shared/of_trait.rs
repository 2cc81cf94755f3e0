//! `impl Trait for T`: the proxy implements the trait too.

use super::method::{arguments, check_kind, each};
use super::output::{value_of_anyhow, value_of_result};
use super::references;
use super::target::Target;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Error, Ident, ImplItem, ImplItemFn, ItemImpl, Path, Result, ReturnType, Type};

/// Generates the implementation for the proxy; all methods that cannot be are reported at once.
pub(super) fn expand(block: &ItemImpl, of_trait: &Path, target: &Target) -> Result<TokenStream> {
    let mut problems = None::<Error>;
    let mut items = Vec::new();
    for item in &block.items {
        let ImplItem::Fn(function) = item else {
            items.push(item.to_token_stream());
            continue;
        };
        match (method(function, of_trait, target), &mut problems) {
            (Ok(method), _) => items.push(method),
            (Err(error), Some(problems)) => problems.combine(error),
            (Err(error), none) => *none = Some(error),
        }
    }
    if let Some(problems) = problems {
        return Err(problems);
    }
    let (parameters, _, bounds) = target.generics.split_for_impl();
    let (proxy, conditions) = (target.proxy_type(), &target.conditions);
    Ok(quote! {
        #(#conditions)*
        impl #parameters #of_trait for #proxy #bounds {
            #(#items)*
        }
    })
}

fn method(function: &ImplItemFn, of_trait: &Path, target: &Target) -> Result<TokenStream> {
    let (signature, name) = (&function.sig, &function.sig.ident);
    if signature
        .receiver()
        .is_none_or(|receiver| receiver.reference.is_none())
    {
        let why = format!(
            "`{name}` does not take `&self` or `&mut self`, and a proxy has no object of its own: \
             leave the attribute out, and implement the trait for the proxy by hand"
        );
        return Err(Error::new_spanned(signature, why));
    }
    check_kind(signature)?;
    let arguments = arguments(signature)?;
    let [names, travels, make, pass] = [
        each(&arguments, |argument| argument.name().to_token_stream()),
        each(&arguments, |argument| argument.travels().clone()),
        each(&arguments, |argument| argument.make().clone()),
        each(&arguments, |argument| argument.pass().clone()),
    ];
    let (inner, object) = (target.inner(), &target.object);
    let hosted = Ident::new("hosted", Span::mixed_site());
    let call = quote! {
        <Self as ::core::convert::AsRef<#inner>>::as_ref(self).call_local(
            |#hosted, (#(#names,)*): (#(#travels,)*)| {
                <#object as #of_trait>::#name(#hosted, #(#pass),*)
            },
            &(#(#make,)*),
        )?
    };
    let returned = match returns(name, &signature.output)? {
        Returned::Anyhow => quote!(::core::result::Result::Ok(#call)),
        Returned::Result => call,
    };
    let mut declared = signature.clone();
    let inputs = declared.inputs.iter_mut().filter_map(|input| match input {
        syn::FnArg::Typed(typed) => Some(typed),
        syn::FnArg::Receiver(_) => None,
    });
    for (typed, argument) in inputs.zip(&arguments) {
        let name = argument.name();
        *typed.pat = syn::parse_quote!(#name);
    }
    Ok(quote!(#declared { #returned }))
}

enum Returned {
    Anyhow,
    Result,
}

/// Refuses what has no place for the error of a server that is gone.
fn returns(method: &Ident, declared: &ReturnType) -> Result<Returned> {
    let ty = match declared {
        ReturnType::Type(_, ty) => Some(&**ty),
        ReturnType::Default => None,
    };
    let travels = |value: &Type| !references::within(value) && !matches!(value, Type::ImplTrait(_));
    match ty {
        Some(ty) if value_of_anyhow(ty).is_some_and(travels) => Ok(Returned::Anyhow),
        Some(ty) if value_of_result(ty).is_some_and(travels) => Ok(Returned::Result),
        _ => {
            let text = ty.map_or_else(
                || "nothing".to_owned(),
                |ty| format!("`{}`", ty.to_token_stream().to_string().replace(' ', "")),
            );
            let why = format!(
                "`{method}` returns {text}, which cannot say that the server is gone: have it return \
                 a `Result` of a value, whose error is made from `ManagerError`"
            );
            Err(Error::new(method.span(), why))
        }
    }
}
