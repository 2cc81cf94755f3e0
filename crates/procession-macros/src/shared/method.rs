//! One method and its counterpart on the proxy.

use super::argument::Argument;
use super::docs::docs;
use super::guard::Guard;
use super::output::Output;
use super::self_type;
use super::target::Target;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    Attribute, Error, FnArg, Ident, ImplItemFn, Receiver, Result, Signature, Type, Visibility,
    WherePredicate,
};

/// A method that the proxy has too.
pub(super) struct Method {
    pub(super) visibility: Visibility,
    docs: TokenStream,
    attributes: Vec<Attribute>,
    signature: Signature,
    arguments: Vec<Argument>,
    output: Output,
    guard: Option<Guard>,
}

impl Method {
    /// Reads `function`; `None` if the proxy does not have it.
    pub(super) fn read(function: &ImplItemFn, target: &Target) -> Result<Option<Self>> {
        let private = matches!(function.vis, Visibility::Inherited);
        let Some(receiver) = function.sig.receiver().filter(|_| !private) else {
            return Ok(None);
        };
        check_receiver(&function.sig.ident, receiver, target.concurrent)?;
        check_kind(&function.sig)?;
        let mut signature = function.sig.clone();
        self_type::write_out(&mut signature, &target.object);
        Ok(Some(Self {
            visibility: function.vis.clone(),
            docs: docs(&target.name(), &signature.ident, &function.attrs),
            attributes: function
                .attrs
                .iter()
                .filter(|one| is_kept(one))
                .cloned()
                .collect(),
            arguments: arguments(&signature)?,
            output: Output::new(&signature.ident, &signature.output, &target.private())?,
            guard: Guard::read(&function.attrs)?,
            signature,
        }))
    }

    /// Generates the proxy's method.
    pub(super) fn expand(&self, target: &Target) -> TokenStream {
        let Self {
            visibility,
            docs,
            attributes,
            signature,
            arguments,
            output,
            guard,
        } = self;
        let (name, private) = (&signature.ident, target.private());
        let (parameters, where_clause) =
            (&signature.generics.params, &signature.generics.where_clause);
        let declarations = arguments.iter().map(Argument::declaration);
        let (call, mut output) = (self.call(target), output.ty(&private));
        let call = match guard {
            Some(guard) => guard.around(&call, &mut output, &private),
            None => call,
        };
        quote! {
            #docs
            #(#attributes)*
            #visibility fn #name<#parameters>(
                &self, #(#declarations),*
            ) -> ::core::result::Result<#output, #private::ManagerError> #where_clause {
                #call
            }
        }
    }

    /// Generates the call of the method in the server.
    fn call(&self, target: &Target) -> TokenStream {
        let inner = target.inner();
        let make = each(&self.arguments, |argument| argument.make().clone());
        let (text, function) = (self.signature.ident.to_string(), self.function(target));
        let proxy = quote!(<Self as ::core::convert::AsRef<#inner>>::as_ref(self));
        if target.extend || self.is_local(target) {
            return quote_spanned! {self.span()=>
                #proxy.call_local(#function, &(#(#make,)*))
            };
        }
        quote_spanned! {self.span()=>
            #proxy.call_method(#text, #function, &(#(#make,)*))
        }
    }
}

impl Method {
    /// Generates the line that adds the method to those that other programs call by name.
    pub(super) fn export(&self, target: &Target) -> TokenStream {
        let conditions = self.attributes.iter();
        let conditions = conditions.filter(|one| one.path().is_ident("cfg"));
        let (text, function) = (self.signature.ident.to_string(), self.function(target));
        quote_spanned! {self.span()=>
            #(#conditions)*
            methods.add(#text, #function);
        }
    }

    /// Tells whether only programs of the server's executable get the method.
    pub(super) fn is_local(&self, target: &Target) -> bool {
        let parameters = self.signature.generics.type_params().count();
        parameters != 0 || target.local.contains(&self.signature.ident)
    }

    /// Returns what the method asks of the type's parameters beside what the block asks.
    pub(super) fn predicates(&self) -> impl Iterator<Item = &WherePredicate> {
        let where_clause = self.signature.generics.where_clause.iter();
        let predicates = where_clause.flat_map(|one| &one.predicates);
        predicates.filter(|one| matches!(one, WherePredicate::Type(_)))
    }

    /// Generates the function that runs in the server.
    fn function(&self, target: &Target) -> TokenStream {
        let (arguments, object, name) = (&self.arguments, &target.object, &self.signature.ident);
        let [names, travels, pass] = [
            each(arguments, |argument| argument.name().to_token_stream()),
            each(arguments, |argument| argument.travels().clone()),
            each(arguments, |argument| argument.pass().clone()),
        ];
        // Whatever the arguments are called, this is another name.
        let hosted = Ident::new("hosted", Span::mixed_site());
        let called = quote_spanned!(self.span()=> <#object>::#name(#hosted, #(#pass),*));
        let returned = self.output.wrap(called, &target.private());
        quote_spanned! {self.span()=>
            |#hosted, (#(#names,)*): (#(#travels,)*)| #returned
        }
    }

    /// What is wrong with a type is reported at the method's name.
    fn span(&self) -> Span {
        Span::call_site().located_at(self.signature.ident.span())
    }
}

pub(super) fn each(
    arguments: &[Argument],
    part: impl Fn(&Argument) -> TokenStream,
) -> Vec<TokenStream> {
    arguments.iter().map(part).collect()
}

pub(super) fn arguments(signature: &Signature) -> Result<Vec<Argument>> {
    let typed = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    });
    typed
        .enumerate()
        .map(|(place, one)| Argument::new(&signature.ident, place, one))
        .collect()
}

pub(super) fn is_kept(attribute: &Attribute) -> bool {
    ["cfg", "deprecated"]
        .iter()
        .any(|kept| attribute.path().is_ident(kept))
}

fn check_receiver(name: &Ident, receiver: &Receiver, concurrent: bool) -> Result<()> {
    let Type::Reference(reference) = &*receiver.ty else {
        let why = format!(
            "`{name}` takes `self` by value, and a shared object cannot be moved out of its \
             server: put the method into another `impl` block"
        );
        return Err(Error::new_spanned(receiver, why));
    };
    if concurrent && reference.mutability.is_some() {
        let why = format!(
            "`{name}` takes `&mut self`, and a concurrent object is called by several threads at \
             once: take `&self`, or leave `concurrent` out"
        );
        return Err(Error::new_spanned(receiver, why));
    }
    Ok(())
}

/// Refuses what a call in another process cannot be.
pub(super) fn check_kind(signature: &Signature) -> Result<()> {
    let name = &signature.ident;
    let refused = |at: &dyn ToTokens, what: &str| {
        let why = format!("`{name}` {what}: put it into another `impl` block");
        Err(Error::new_spanned(at.to_token_stream(), why))
    };
    if let Some(one) = signature.generics.const_params().next() {
        return refused(one, "has a constant parameter");
    }
    if let Some(keyword) = &signature.asyncness {
        return refused(keyword, "is async, and a proxy's call blocks");
    }
    if let Some(keyword) = &signature.unsafety {
        return refused(keyword, "is unsafe, and its caller is in another process");
    }
    Ok(())
}
