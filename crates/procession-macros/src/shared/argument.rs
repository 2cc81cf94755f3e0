//! The arguments of a method: what the proxy takes, what travels, what the method gets.

use super::references;
use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::{
    Error, GenericArgument, Ident, Pat, PatType, PathArguments, Result, Type, TypeImplTrait,
    TypeParamBound, TypeReference,
};

/// One argument besides `self`.
pub(super) struct Argument {
    name: Ident,
    /// The type in the method's signature.
    declared: Type,
    /// The type that travels.
    travels: TokenStream,
    /// What the proxy encodes, in the same way as what travels.
    make: TokenStream,
    /// What travels, by value.
    own: TokenStream,
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
            Type::ImplTrait(anonymous) => Self::converted(method, name, anonymous),
            owned => Self::owned(method, name, owned),
        }
    }

    fn owned(method: &Ident, name: Ident, ty: &Type) -> Result<Self> {
        refuse_anonymous(method, ty)?;
        refuse_references(method, ty)?;
        Ok(Self {
            declared: ty.clone(),
            travels: quote!(#ty),
            make: quote!(#name),
            own: quote!(#name),
            pass: quote!(#name),
            name,
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
        Ok(Self {
            declared: reference.clone().into(),
            travels: owned(target),
            make: quote!(#name),
            own: quote!(::std::borrow::ToOwned::to_owned(#name)),
            pass: quote!(&#name),
            name,
        })
    }

    /// Reads `impl Into<T>` and `impl IntoIterator<Item = T>`: the proxy takes the same, and a `T`
    /// or a `Vec<T>` travels.
    fn converted(method: &Ident, name: Ident, anonymous: &TypeImplTrait) -> Result<Self> {
        let (travels, make) = match conversion(anonymous) {
            Some(Conversion::Into(ty)) => {
                refuse_references(method, ty)?;
                (
                    quote!(#ty),
                    quote!(::core::convert::Into::<#ty>::into(#name)),
                )
            }
            Some(Conversion::Items(ty)) => {
                refuse_references(method, ty)?;
                let items = quote!(::std::vec::Vec<#ty>);
                let collected = quote! {
                    ::std::iter::Iterator::collect::<#items>(
                        ::std::iter::IntoIterator::into_iter(#name)
                    )
                };
                (items, collected)
            }
            None => return Err(anonymous_refused(method, anonymous, "impl Trait")),
        };
        Ok(Self {
            declared: anonymous.clone().into(),
            travels,
            own: make.clone(),
            make,
            pass: quote!(#name),
            name,
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

    pub(super) fn own(&self) -> &TokenStream {
        &self.own
    }

    pub(super) fn pass(&self) -> &TokenStream {
        &self.pass
    }
}

const TAKE_OWNED: &str = "take an owned value, or `&str`, `&[T]` or `&T`";

enum Conversion<'a> {
    Into(&'a Type),
    Items(&'a Type),
}

fn conversion(anonymous: &TypeImplTrait) -> Option<Conversion<'_>> {
    let traits = anonymous.bounds.iter().filter_map(|bound| match bound {
        TypeParamBound::Trait(one) => one.path.segments.last(),
        _ => None,
    });
    let [only] = traits.collect::<Vec<_>>()[..] else {
        return None;
    };
    let PathArguments::AngleBracketed(arguments) = &only.arguments else {
        return None;
    };
    match arguments.args.first()? {
        GenericArgument::Type(ty) if only.ident == "Into" => Some(Conversion::Into(ty)),
        GenericArgument::AssocType(item)
            if item.ident == "Item" && only.ident == "IntoIterator" =>
        {
            Some(Conversion::Items(&item.ty))
        }
        _ => None,
    }
}

/// Returns the owned type that travels for a reference to `target`.
fn owned(target: &Type) -> TokenStream {
    match target {
        Type::Slice(slice) => {
            let element = &slice.elem;
            quote!(::std::vec::Vec<#element>)
        }
        Type::Path(path) if path.path.is_ident("str") => quote!(::std::string::String),
        other => quote!(#other),
    }
}

fn refuse_references(method: &Ident, ty: &Type) -> Result<()> {
    if references::within(ty) {
        let why = format!("`{method}` takes a reference inside a value: {TAKE_OWNED}");
        return Err(Error::new_spanned(ty, why));
    }
    Ok(())
}

/// Refuses `impl Trait` and `dyn Trait`.
fn refuse_anonymous(method: &Ident, ty: &Type) -> Result<()> {
    match ty {
        Type::ImplTrait(_) => Err(anonymous_refused(method, ty, "impl Trait")),
        Type::TraitObject(_) => Err(anonymous_refused(method, ty, "dyn Trait")),
        _ => Ok(()),
    }
}

fn anonymous_refused(method: &Ident, ty: &impl ToTokens, kind: &str) -> Error {
    let why = format!(
        "`{method}` takes `{kind}`, which is no type that can travel: take a type with a name, \
         `impl Into<T>` or `impl IntoIterator<Item = T>`"
    );
    Error::new_spanned(ty, why)
}
