//! The annotated function, as far as the macro looks at it. The body is passed on and never read.

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, FnArg, GenericArgument, Ident, Lifetime, Meta, Path, PathArguments, PathSegment, ReturnType,
    Signature, Token, Type, TypeReference, Visibility, parse_quote,
};

use super::args::{Args, TypeId};
use crate::diagnostics::{self, Errors};
use crate::names;
use crate::pairs::Version;

/// One annotated function.
pub(crate) struct Function {
    /// Exactly as it is written.
    pub(crate) item: TokenStream,
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    pub(crate) args: Args,
}

impl Function {
    /// Reads everything up to the body.
    pub(crate) fn from_syn(errors: &mut Errors, args: Args, item: TokenStream) -> Option<Self> {
        let head = |input: ParseStream<'_>| {
            let attrs = input.call(Attribute::parse_outer)?;
            let vis: Visibility = input.parse()?;
            let keyword = input.span();
            let sig = input.parse::<Signature>();
            let has_body = input.peek(syn::token::Brace);
            let _rest: TokenStream = input.parse()?;
            Ok((attrs, vis, keyword, sig, has_body))
        };
        match head.parse2(item.clone()) {
            Ok((attrs, vis, _, Ok(sig), true)) => Some(Self { item, attrs, vis, sig, args }),
            Ok((_, _, keyword, _, _)) => {
                errors.at_span(keyword, diagnostics::not_a_function());
                None
            }
            Err(error) => {
                errors.at_span(error.span(), diagnostics::not_a_function());
                None
            }
        }
    }

    /// The name of the handle type.
    pub(crate) fn handle(&self) -> &Ident {
        self.args.handle.as_ref().unwrap_or(&self.sig.ident)
    }

    /// The path of the runtime's crate.
    pub(crate) fn krate(&self) -> Path {
        self.args.krate.clone().unwrap_or_else(|| parse_quote!(::resilient))
    }

    pub(crate) fn version(&self) -> u32 {
        self.args.version.as_ref().map_or(1, Version::number)
    }

    /// The newest version of a scrapbook it does without now; 0 when there never was one.
    pub(crate) fn dropped_scrapbook(&self) -> u32 {
        self.args.dropped_scrapbook.as_ref().map_or(0, Version::number)
    }

    /// The type id; empty when there is none, which has been reported.
    pub(crate) fn type_id(&self) -> String {
        match &self.args.type_id {
            TypeId::Given(text) => text.value(),
            TypeId::Missing | TypeId::Unreadable => String::new(),
        }
    }

    /// Where the type id stands.
    pub(crate) fn type_id_span(&self) -> Span {
        match &self.args.type_id {
            TypeId::Given(text) => text.span(),
            TypeId::Missing | TypeId::Unreadable => self.sig.ident.span(),
        }
    }

    /// The name without `r#`.
    pub(crate) fn plain_name(&self) -> String {
        self.sig.ident.unraw().to_string()
    }

    /// The types of all arguments but a receiver, the parameter first.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &Type> {
        self.sig.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(input) => Some(&*input.ty),
            FnArg::Receiver(_) => None,
        })
    }

    /// The type of the parameter, without borrowed lifetimes.
    pub(crate) fn param(&self) -> Type {
        self.inputs().next().map_or_else(|| parse_quote!(()), to_static)
    }

    /// The types of the arguments behind the parameter, in their `'static` form.
    pub(crate) fn arguments(&self) -> Vec<Type> {
        self.inputs().skip(1).map(to_static).collect()
    }

    /// What it returns, without borrowed lifetimes.
    pub(crate) fn returned(&self) -> Type {
        match &self.sig.output {
            ReturnType::Default => parse_quote!(()),
            ReturnType::Type(_, ty) => to_static(ty),
        }
    }

    /// Where to report what is wrong with the returned type.
    pub(crate) fn returned_span(&self) -> Span {
        match &self.sig.output {
            ReturnType::Default => self.sig.ident.span(),
            ReturnType::Type(_, ty) => ty.span(),
        }
    }

    /// Where to report what is wrong with one part of a `Result<T, E>`: 0 the value, 1 the error.
    pub(crate) fn result_part_span(&self, part: usize) -> Span {
        let ReturnType::Type(_, ty) = &self.sig.output else { return self.sig.ident.span() };
        let argument = last_segment(ty).and_then(|segment| match segment.ident.to_string().as_str() {
            "Result" | "Outcome" => type_arguments(segment).nth(part),
            _ => None,
        });
        argument.unwrap_or(ty).span()
    }

    /// The attributes that decide whether the function exists, and whether using it is a warning: they hold for
    /// what is added to it, too.
    pub(crate) fn shared_attrs(&self) -> impl Iterator<Item = &Attribute> {
        self.attrs.iter().filter(|attr| is_shared(&attr.meta))
    }

    pub(crate) fn is_deprecated(&self) -> bool {
        self.shared_attrs().any(|attr| !attr.path().is_ident("cfg"))
    }
}

fn is_shared(meta: &Meta) -> bool {
    if meta.path().is_ident("cfg") || meta.path().is_ident("deprecated") {
        return true;
    }
    let Meta::List(list) = meta else { return false };
    if !list.path.is_ident("cfg_attr") {
        return false;
    }
    let parser = syn::punctuated::Punctuated::<Meta, Token![,]>::parse_terminated;
    // The first one is the condition.
    parser.parse2(list.tokens.clone()).is_ok_and(|metas| metas.iter().skip(1).all(is_shared))
}

/// What an argument looks like. Aliases are not seen through here; the argument traits do that.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    Scrapbook,
    Context,
    Dependency,
    SharedPointer,
    Other,
}

/// How an argument is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    Value,
    Ref,
    Mut,
}

/// An argument's look, how it is taken, and the type behind the `&`.
pub(crate) fn look(ty: &Type) -> (Look, Taken, &Type) {
    let (taken, inner) = match ty {
        Type::Reference(TypeReference { mutability: None, elem, .. }) => (Taken::Ref, &**elem),
        Type::Reference(TypeReference { mutability: Some(_), elem, .. }) => (Taken::Mut, &**elem),
        other => (Taken::Value, other),
    };
    (named_look(inner), taken, inner)
}

fn named_look(ty: &Type) -> Look {
    let Some(segment) = last_segment(ty) else { return Look::Other };
    let has_arguments = !segment.arguments.is_none();
    match segment.ident.to_string().as_str() {
        "Scrapbook" if has_arguments => Look::Scrapbook,
        "Context" if !has_arguments => Look::Context,
        "Dep" if has_arguments => Look::Dependency,
        "Arc" if has_arguments => Look::SharedPointer,
        _ => Look::Other,
    }
}

fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last(),
        _ => None,
    }
}

/// The types between the angle brackets.
pub(crate) fn type_arguments(segment: &PathSegment) -> impl Iterator<Item = &Type> {
    let arguments = match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
        _ => None,
    };
    arguments.into_iter().flatten().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// `Client` of `Arc<Client>`.
pub(crate) fn pointee(ty: &Type) -> Option<&Type> {
    last_segment(ty).and_then(|segment| type_arguments(segment).next())
}

/// The owned form of a borrowed type, as it would be written.
pub(crate) fn owned(ty: &Type) -> String {
    match ty {
        Type::Path(path) if path.path.is_ident("str") => "String".to_owned(),
        Type::Slice(slice) => format!("Vec<{}>", names::written(&slice.elem)),
        other => names::written(other),
    }
}

/// Replaces every borrowed lifetime by `'static`: traits are implemented for that form.
fn to_static(ty: &Type) -> Type {
    struct ToStatic;
    impl VisitMut for ToStatic {
        fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
            let span = reference.and_token.span;
            reference.lifetime.get_or_insert_with(|| Lifetime::new("'static", span));
            visit_mut::visit_type_reference_mut(self, reference);
        }

        fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
            *lifetime = Lifetime::new("'static", lifetime.span());
        }
    }
    let mut ty = ty.clone();
    ToStatic.visit_type_mut(&mut ty);
    ty
}
