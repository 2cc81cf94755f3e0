//! The proxy: the struct and the traits it implements.

use super::constructor::Constructor;
use super::method::Method;
use super::target::Target;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Generics, Member, Type, Visibility, parse_quote};

/// Generates the proxy with all its methods.
pub(super) fn expand(
    target: &Target,
    methods: &[Method],
    constructors: &[Constructor],
) -> TokenStream {
    let conditions = &target.conditions;
    let conditions = quote!(#(#conditions)*);
    if target.extend {
        let calls = calls(target, methods, constructors);
        return quote!(#conditions #calls);
    }
    let parts = [
        definition(target, methods),
        hosting(target),
        conversions(target),
        copies(target),
        comparisons(target),
        travel(target),
        calls(target, methods, constructors),
        exports(target, methods),
    ];
    quote!(#(#conditions #parts)*)
}

fn definition(target: &Target, methods: &[Method]) -> TokenStream {
    let Target {
        proxy, generics, ..
    } = target;
    let (docs, visibility, inner) = (docs(target), visibility(methods), target.inner());
    let where_clause = &generics.where_clause;
    quote! {
        #docs
        #visibility struct #proxy #generics #where_clause {
            proxy: #inner,
        }
    }
}

/// Returns the documentation of the block, or what is true of every proxy.
fn docs(target: &Target) -> TokenStream {
    let own = &target.docs;
    let usual = format!(
        "The proxy of a `{}` that a manager hosts.\n\n\
         It is cheap to clone and can be sent to other processes. The object lives as long as any \
         process has a proxy of it. `as_ref` gives the plain `Proxy`, which runs functions on the \
         object.",
        target.name()
    );
    if own.is_empty() {
        quote!(#[doc = #usual])
    } else {
        quote!(#(#own)*)
    }
}

/// Returns the widest visibility that a method has.
fn visibility(methods: &[Method]) -> Visibility {
    let widest = methods
        .iter()
        .map(|method| &method.visibility)
        .max_by_key(|one| match one {
            Visibility::Public(_) => 2,
            Visibility::Restricted(one) if one.path.is_ident("crate") => 1,
            _ => 0,
        });
    widest.cloned().unwrap_or(Visibility::Inherited)
}

fn hosting(target: &Target) -> TokenStream {
    let (private, access, object) = (target.private(), target.access(), &target.object);
    let (proxy, (parameters, arguments, bounds)) = (&target.proxy, split(&target.generics));
    quote! {
        impl #parameters #private::Shared for #object #bounds {
            type Access = #access;
            type Proxy = #proxy #arguments;
        }
    }
}

fn conversions(target: &Target) -> TokenStream {
    let (inner, proxy) = (target.inner(), &target.proxy);
    let (parameters, arguments, bounds) = split(&target.generics);
    quote! {
        const _: () = {
            #[doc(hidden)]
            impl #parameters ::core::convert::From<#inner> for #proxy #arguments #bounds {
                fn from(proxy: #inner) -> Self {
                    Self { proxy }
                }
            }

            #[doc(hidden)]
            impl #parameters ::core::convert::AsRef<#inner> for #proxy #arguments #bounds {
                fn as_ref(&self) -> &#inner {
                    &self.proxy
                }
            }
        };
    }
}

fn copies(target: &Target) -> TokenStream {
    let (parameters, arguments, bounds) = split(&target.generics);
    let (proxy, name) = (&target.proxy, target.proxy.to_string());
    quote! {
        const _: () = {
            impl #parameters ::core::clone::Clone for #proxy #arguments #bounds {
                fn clone(&self) -> Self {
                    Self { proxy: ::core::clone::Clone::clone(&self.proxy) }
                }
            }

            impl #parameters ::core::fmt::Debug for #proxy #arguments #bounds {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    f.debug_tuple(#name).field(&self.proxy.id()).finish()
                }
            }
        };
    }
}

fn comparisons(target: &Target) -> TokenStream {
    let (parameters, arguments, bounds) = split(&target.generics);
    let proxy = &target.proxy;
    quote! {
        const _: () = {
            impl #parameters ::core::cmp::PartialEq for #proxy #arguments #bounds {
                fn eq(&self, other: &Self) -> bool {
                    self.proxy == other.proxy
                }
            }

            impl #parameters ::core::cmp::Eq for #proxy #arguments #bounds {}

            impl #parameters ::core::hash::Hash for #proxy #arguments #bounds {
                fn hash<__H: ::core::hash::Hasher>(&self, state: &mut __H) {
                    ::core::hash::Hash::hash(&self.proxy, state);
                }
            }
        };
    }
}

fn travel(target: &Target) -> TokenStream {
    let (private, proxy) = (target.private(), &target.proxy);
    let serde = quote!(#private::serde);
    let (parameters, arguments, bounds) = split(&target.generics);
    let mut with_lifetime = target.generics.clone();
    with_lifetime.params.insert(0, parse_quote!('__de));
    let (decoding, ..) = with_lifetime.split_for_impl();
    quote! {
        const _: () = {
            impl #parameters #serde::Serialize for #proxy #arguments #bounds {
                fn serialize<__S: #serde::Serializer>(
                    &self,
                    serializer: __S,
                ) -> ::core::result::Result<__S::Ok, __S::Error> {
                    #serde::Serialize::serialize(&self.proxy, serializer)
                }
            }

            impl #decoding #serde::Deserialize<'__de> for #proxy #arguments #bounds {
                fn deserialize<__D: #serde::Deserializer<'__de>>(
                    deserializer: __D,
                ) -> ::core::result::Result<Self, __D::Error> {
                    #serde::Deserialize::deserialize(deserializer).map(|proxy| Self { proxy })
                }
            }
        };
    }
}

fn calls(target: &Target, methods: &[Method], constructors: &[Constructor]) -> TokenStream {
    let (parameters, arguments, bounds) = split(&target.generics);
    let proxy = &target.proxy;
    let proxy = if target.extend {
        target.proxy_type()
    } else {
        quote!(#proxy #arguments)
    };
    let visibility = visibility(methods);
    let methods = methods.iter().map(|method| method.expand(target));
    let constructors = constructors.iter().map(|one| one.expand(target));
    let lent = target
        .lend
        .as_ref()
        .map(|lend| lent(target, lend, &visibility));
    quote! {
        impl #parameters #proxy #bounds {
            #(#constructors)*
            #(#methods)*
            #lent
        }
    }
}

/// Generates `with` and `call`, which lend a field.
fn lent(target: &Target, (field, ty): &(Member, Type), visibility: &Visibility) -> TokenStream {
    let private = target.private();
    let reference = if target.concurrent {
        quote!(&)
    } else {
        quote!(&mut)
    };
    let (object, inner) = (&target.object, target.inner());
    let proxy = quote!(<Self as ::core::convert::AsRef<#inner>>::as_ref(self));
    quote! {
        /// Runs `function` in the server, in one step to all others. It is a `fn` item or a closure
        /// that captures nothing; what it returns comes back.
        ///
        /// # Errors
        ///
        /// `ManagerError`; `Call` if the function panicked.
        ///
        /// # When the other side is gone
        ///
        /// `ManagerError::Gone`, also if the server ends during the call.
        #visibility fn with<__R: #private::Returns<__M>, __M>(
            &self,
            function: impl ::core::ops::Fn(#reference #ty) -> __R + ::core::marker::Copy + ::core::marker::Send + 'static,
        ) -> ::core::result::Result<__R::Output, #private::ManagerError> {
            #proxy.with(move |hosted: #reference #object| function(#reference hosted.#field))
        }

        /// As [`with`](Self::with), for a function that takes a value too; several go as a tuple.
        ///
        /// # Errors
        ///
        /// As `with`, and `ManagerError::Encode` if the value cannot be sent.
        ///
        /// # When the other side is gone
        ///
        /// `ManagerError::Gone`, also if the server ends during the call.
        #visibility fn call<__A, __R: #private::Returns<__M>, __M>(
            &self,
            function: impl ::core::ops::Fn(#reference #ty, __A) -> __R
                + ::core::marker::Copy
                + ::core::marker::Send
                + 'static,
            args: __A,
        ) -> ::core::result::Result<__R::Output, #private::ManagerError>
        where
            __A: #private::serde::Serialize + #private::serde::de::DeserializeOwned,
        {
            #proxy.call(
                move |hosted: #reference #object, args| function(#reference hosted.#field, args),
                args,
            )
        }
    }
}

/// Generates the list of the methods for programs that know them by name.
fn exports(target: &Target, methods: &[Method]) -> TokenStream {
    let (private, object, access) = (target.private(), &target.object, target.access());
    let mut generics = target.generics.clone();
    let methods = methods.iter().filter(|method| !method.is_local(target));
    let predicates = methods.clone().flat_map(Method::predicates).cloned();
    generics.make_where_clause().predicates.extend(predicates);
    let (proxy, (parameters, arguments, bounds)) = (&target.proxy, split(&generics));
    let methods = methods.map(|method| method.export(target));
    quote! {
        const _: () = {
            impl #parameters #private::Exported for #proxy #arguments #bounds {
                fn from_remote(
                    remote: #private::Remote,
                ) -> ::core::result::Result<Self, #private::ManagerError> {
                    ::core::result::Result::Ok(Self { proxy: #private::Proxy::from_remote(remote) })
                }

                fn remote(&self) -> &#private::Remote {
                    self.proxy.remote()
                }

                fn export() -> #private::Listed {
                    let mut methods = #private::Methods::<#object, #access>::new();
                    #(#methods)*
                    methods.end()
                }
            }
        };
    }
}

/// Returns the parameters with their bounds, the arguments, and the `where` clause.
fn split(generics: &Generics) -> (TokenStream, TokenStream, TokenStream) {
    let (parameters, arguments, bounds) = generics.split_for_impl();
    (quote!(#parameters), quote!(#arguments), quote!(#bounds))
}
