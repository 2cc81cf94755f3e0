//! The type whose methods are proxied.

use super::options::Options;
use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::{Attribute, Error, Generics, Ident, ItemImpl, Member, Path, Result, Type};

/// What every part of the generated code needs to know about the `impl` block.
pub(super) struct Target {
    /// The type, as the block names it.
    pub(super) object: Type,
    /// The name of its proxy.
    pub(super) proxy: Ident,
    /// The parameters of the block, which are those of the proxy.
    pub(super) generics: Generics,
    /// Whether the object is hosted without a lock.
    pub(super) concurrent: bool,
    /// The methods that programs with another executable do not get.
    pub(super) local: Vec<Ident>,
    /// The field that `with` and `call` lend, and its type.
    pub(super) lend: Option<(Member, Type)>,
    /// Whether the proxy is there already, and gets more methods.
    pub(super) extend: bool,
    /// The trait that the block implements.
    pub(super) of_trait: Option<Path>,
    /// The conditions under which the block is compiled.
    pub(super) conditions: Vec<Attribute>,
    /// The documentation of the block, which is that of the proxy.
    pub(super) docs: Vec<Attribute>,
    root: Path,
}

impl Target {
    pub(super) fn new(block: &ItemImpl, options: Options) -> Result<Self> {
        if let Some(lifetime) = block.generics.lifetimes().next() {
            let why = "a hosted object lives in another process and cannot borrow anything: give it \
                       fields that own what is in them";
            return Err(Error::new_spanned(lifetime, why));
        }
        let usual = format_ident!("{}Proxy", name(&block.self_ty)?);
        let attributes = |name: &str| {
            let named = block
                .attrs
                .iter()
                .filter(|attribute| attribute.path().is_ident(name));
            named.cloned().collect()
        };
        Ok(Self {
            object: (*block.self_ty).clone(),
            proxy: options.proxy.unwrap_or(usual),
            generics: block.generics.clone(),
            concurrent: options.concurrent,
            local: options.local,
            lend: options.lend,
            extend: options.extend,
            of_trait: block.trait_.as_ref().map(|(_, path, _)| path.clone()),
            conditions: attributes("cfg"),
            docs: attributes("doc"),
            root: options.root,
        })
    }

    /// Returns the type as text.
    pub(super) fn name(&self) -> String {
        self.object.to_token_stream().to_string().replace(' ', "")
    }

    /// Returns the path of the items that generated code may name.
    pub(super) fn private(&self) -> TokenStream {
        let root = &self.root;
        quote!(#root::__private)
    }

    /// Returns the type of the proxy, with what the block says of its parameters.
    pub(super) fn proxy_type(&self) -> TokenStream {
        let arguments = match &self.object {
            Type::Path(path) => path.path.segments.last().map(|last| &last.arguments),
            _ => None,
        };
        let proxy = &self.proxy;
        quote!(#proxy #arguments)
    }

    /// Returns the type that the generated proxy wraps.
    pub(super) fn inner(&self) -> TokenStream {
        let (private, object, access) = (self.private(), &self.object, self.access());
        quote!(#private::Proxy<#object, #access>)
    }

    /// Returns the type that says how the object is hosted.
    pub(super) fn access(&self) -> TokenStream {
        let private = self.private();
        if self.concurrent {
            quote!(#private::Concurrent)
        } else {
            quote!(#private::Locked)
        }
    }
}

fn name(object: &Type) -> Result<&Ident> {
    let why =
        "the type must have a name, from which that of its proxy is made: put it into a struct";
    let unnamed = || Error::new_spanned(object, why);
    let Type::Path(path) = object else {
        return Err(unnamed());
    };
    path.path
        .segments
        .last()
        .map(|segment| &segment.ident)
        .ok_or_else(unnamed)
}
