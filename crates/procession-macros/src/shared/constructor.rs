//! Functions without `self` that return the type: the proxy has them too, to make an object with.

use super::argument::Argument;
use super::docs;
use super::method::{arguments, check_kind, each, is_kept};
use super::output::{value_of_anyhow, value_of_result};
use super::self_type;
use super::target::Target;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Attribute, Ident, ImplItemFn, ReturnType, Signature, Type, Visibility};

/// How many arguments a constructor has at most.
const MOST: usize = 8;

/// A function that makes an object.
pub(super) struct Constructor {
    visibility: Visibility,
    docs: TokenStream,
    attributes: Vec<Attribute>,
    signature: Signature,
    arguments: Vec<Argument>,
    /// Whether its error is to be turned into `anyhow`'s.
    has_error: bool,
}

impl Constructor {
    /// Reads `function`; `None` if it makes no object, or takes what cannot travel.
    pub(super) fn read(function: &ImplItemFn, target: &Target) -> Option<Self> {
        let mut signature = function.sig.clone();
        let is_private = matches!(function.vis, Visibility::Inherited);
        if is_private || signature.receiver().is_some() || check_kind(&signature).is_err() {
            return None;
        }
        self_type::write_out(&mut signature, &target.object);
        let ReturnType::Type(_, made) = &signature.output else {
            return None;
        };
        let text = |ty: &Type| ty.to_token_stream().to_string();
        let is_object = |ty: &Type| text(ty) == text(&target.object);
        let in_anyhow = value_of_anyhow(made).is_some_and(is_object);
        let has_error = !in_anyhow && value_of_result(made).is_some_and(is_object);
        if !is_object(made) && !in_anyhow && !has_error {
            return None;
        }
        let arguments = arguments(&signature).ok()?;
        let generic = signature.generics.type_params().next().is_some();
        if generic || arguments.len() > MOST {
            return None;
        }
        Some(Self {
            visibility: function.vis.clone(),
            docs: docs::of_constructor(&target.name(), &signature.ident, &function.attrs),
            attributes: function
                .attrs
                .iter()
                .filter(|one| is_kept(one))
                .cloned()
                .collect(),
            arguments,
            has_error,
            signature,
        })
    }

    /// Generates the proxy's function.
    pub(super) fn expand(&self, target: &Target) -> TokenStream {
        let Self {
            visibility,
            docs,
            attributes,
            signature,
            arguments,
            has_error,
        } = self;
        let (name, private, object) = (&signature.ident, target.private(), &target.object);
        let where_clause = &signature.generics.where_clause;
        let declarations = arguments.iter().map(Argument::declaration);
        let [names, travels, own, pass] = [
            each(arguments, |argument| argument.name().to_token_stream()),
            each(arguments, |argument| argument.travels().clone()),
            each(arguments, |argument| argument.own().clone()),
            each(arguments, |argument| argument.pass().clone()),
        ];
        let manager = Ident::new("manager", Span::mixed_site());
        let span = Span::call_site().located_at(name.span());
        let mut made = quote_spanned!(span=> <#object>::#name(#(#pass),*));
        if *has_error {
            made = quote!(::core::result::Result::map_err(#made, #private::anyhow::Error::from));
        }
        let quiet = super::quiet("dead_code", "an object may be made in another way");
        quote_spanned! {span=>
            #docs
            #(#attributes)*
            #quiet
            #visibility fn #name(
                #manager: &#private::ManagerHandle, #(#declarations),*
            ) -> ::core::result::Result<Self, #private::ManagerError> #where_clause {
                #private::ManagerHandle::create(
                    #manager,
                    |#(#names: #travels),*| #made,
                    (#(#own,)*),
                )
            }
        }
    }
}
