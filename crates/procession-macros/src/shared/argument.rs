//! The arguments of a method: what the proxy takes, what travels, what the method gets.

use super::references;
use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::{Error, Ident, Pat, PatType, Result, Type, TypeReference};

/// One argument besides `self`.
pub(super) struct Argument {
    name: Ident,
    /// The type in the method's signature.
    declared: Type,
    /// The type that travels.
    travels: TokenStream,
    /// How the proxy makes what travels.
    make: TokenStream,
    /// What the method is called with.
    pass: TokenStream,
}

impl Argument {
    /// Reads the argument at `place` of `method`.
    pub(super) fn new(method: &Ident, place: usize, typed: &PatType) -> Result<Self> {
        let name = match &*typed.pat {
            Pat::Ident(pattern) if pattern.subpat.is_none() => pattern.ident.clone(),
            _ => format_ident!("argument_{place}"),
        };
        match &*typed.ty {
            Type::Reference(reference) => Self::borrowed(method, name, reference),
            owned => Self::owned(method, name, owned),
        }
    }

    fn owned(method: &Ident, name: Ident, ty: &Type) -> Result<Self> {
        refuse_anonymous(method, ty)?;
        if references::within(ty) {
            let why = format!("`{method}` takes a reference inside a value: {TAKE_OWNED}");
            return Err(Error::new_spanned(ty, why));
        }
        let (travels, make, pass) = (quote!(#ty), quote!(#name), quote!(#name));
        Ok(Self {
            name,
            declared: ty.clone(),
            travels,
            make,
            pass,
        })
    }

    fn borrowed(method: &Ident, name: Ident, reference: &TypeReference) -> Result<Self> {
        if reference.mutability.is_some() {
            let why = format!(
                "`{method}` takes a `&mut` argument, and changes made in the server would not \
                 come back: take a value and return the changed one"
            );
            return Err(Error::new_spanned(reference, why));
        }
        let target = &*reference.elem;
        refuse_anonymous(method, target)?;
        if references::within(target) {
            let why = format!("`{method}` takes a reference to a reference: {TAKE_OWNED}");
            return Err(Error::new_spanned(reference, why));
        }
        let (travels, make) = owned_copy(&name, target);
        let pass = quote!(&#name);
        Ok(Self {
            name,
            declared: reference.clone().into(),
            travels,
            make,
            pass,
        })
    }

    /// Returns the argument as the proxy's method declares it.
    pub(super) fn declaration(&self) -> TokenStream {
        let (name, declared) = (&self.name, &self.declared);
        quote!(#name: #declared)
    }

    pub(super) fn name(&self) -> &Ident {
        &self.name
    }

    pub(super) fn travels(&self) -> &TokenStream {
        &self.travels
    }

    pub(super) fn make(&self) -> &TokenStream {
        &self.make
    }

    pub(super) fn pass(&self) -> &TokenStream {
        &self.pass
    }
}

const TAKE_OWNED: &str = "take an owned value, or `&str`, `&[T]` or `&T`";

/// Returns the owned type that travels for a reference to `target`, and how it is made.
fn owned_copy(name: &Ident, target: &Type) -> (TokenStream, TokenStream) {
    match target {
        Type::Slice(slice) => {
            let element = &slice.elem;
            (
                quote!(::std::vec::Vec<#element>),
                quote!(<[#element]>::to_vec(#name)),
            )
        }
        Type::Path(path) if path.path.is_ident("str") => (
            quote!(::std::string::String),
            quote!(::std::string::String::from(#name)),
        ),
        other => (
            quote!(#other),
            quote!(<#other as ::core::clone::Clone>::clone(#name)),
        ),
    }
}

/// Refuses `impl Trait` and `dyn Trait`.
fn refuse_anonymous(method: &Ident, ty: &Type) -> Result<()> {
    if matches!(ty, Type::ImplTrait(_) | Type::TraitObject(_)) {
        let text = ty.to_token_stream();
        let why = format!("`{method}` takes `{text}`, which is no type that can travel");
        return Err(Error::new_spanned(ty, why));
    }
    Ok(())
}
