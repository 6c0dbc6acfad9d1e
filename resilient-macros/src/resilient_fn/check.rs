//! What a resilient function may not be. Every rule has a name, and a case of that name among the UI tests.

use syn::visit::{self, Visit};
use syn::{FnArg, GenericParam, ReturnType, Type, TypeImplTrait};

use super::args::TypeId;
use super::model::{self, Function, Look, Taken};
use super::{recurring, retry};
use crate::diagnostics::{self, Errors};
use crate::names;
use crate::stored;

/// The rules whose breach leaves a function that can be called: it is expanded all the same, so that its callers do
/// not light up.
pub(crate) fn check_surroundings(errors: &mut Errors, function: &Function) {
    check_missing_type_id(errors, function);
    check_type_id_length(errors, function);
    check_type_id_characters(errors, function);
    check_version_range(errors, function);
    check_dropped_scrapbook_range(errors, function);
    check_dropped_beside_scrapbook(errors, function);
    if let Some(retry) = &function.args.retry {
        retry::check(errors, retry);
    }
    recurring::check(errors, &function.args.recurring);
    check_missing_async(errors, function);
    check_foreign_abi(errors, function);
}

/// The rules for what the function is made of.
pub(crate) fn check_signature(errors: &mut Errors, function: &Function) {
    check_unsafe_function(errors, function);
    check_generic_function(errors, function);
    check_self_receiver(errors, function);
    check_impl_trait(errors, function);
    check_missing_parameter(errors, function);
    check_parameter_not_first(errors, function);
    check_borrowed_parameter(errors, function);
    check_scrapbook_not_by_mut(errors, function);
    check_second_scrapbook(errors, function);
    check_context_not_by_ref(errors, function);
    check_shared_pointer(errors, function);
    check_borrowed_dependency(errors, function);
    check_borrowed_result(errors, function);
    check_never_result(errors, function);
}

fn check_missing_type_id(errors: &mut Errors, function: &Function) {
    if matches!(function.args.type_id, TypeId::Missing) {
        let suggestion = names::camel_case(&function.plain_name());
        errors.at(&function.sig.ident, diagnostics::missing_type_id(&suggestion));
    }
}

fn check_type_id_length(errors: &mut Errors, function: &Function) {
    let TypeId::Given(literal) = &function.args.type_id else { return };
    stored::TYPE_ID.check_length(errors, literal, &literal.value());
}

fn check_type_id_characters(errors: &mut Errors, function: &Function) {
    let TypeId::Given(literal) = &function.args.type_id else { return };
    stored::TYPE_ID.check_characters(errors, literal, &literal.value());
}

fn check_version_range(errors: &mut Errors, function: &Function) {
    if let Some(version) = &function.args.version {
        version.check_range(errors, names::VERSION);
    }
}

fn check_dropped_scrapbook_range(errors: &mut Errors, function: &Function) {
    if let Some(dropped) = &function.args.dropped_scrapbook {
        dropped.check_range(errors, names::DROPPED_SCRAPBOOK);
    }
}

/// A scrapbook behind an alias is found by the argument traits.
fn check_dropped_beside_scrapbook(errors: &mut Errors, function: &Function) {
    let is_scrapbook = |ty: &Type| matches!(model::look(ty), (Look::Scrapbook, ..));
    if let Some(dropped) = &function.args.dropped_scrapbook
        && function.inputs().any(is_scrapbook)
    {
        errors.at(&dropped.literal, diagnostics::dropped_beside_scrapbook());
    }
}

fn check_missing_async(errors: &mut Errors, function: &Function) {
    if function.sig.asyncness.is_none() {
        errors.at(function.sig.fn_token, diagnostics::not_async());
    }
}

fn check_unsafe_function(errors: &mut Errors, function: &Function) {
    if let Some(unsafety) = &function.sig.unsafety {
        errors.at(unsafety, diagnostics::unsafe_function());
    }
}

fn check_foreign_abi(errors: &mut Errors, function: &Function) {
    if let Some(abi) = &function.sig.abi {
        errors.at(abi, diagnostics::foreign_abi());
    }
}

/// Lifetimes are not types: `<'a>` for an explicit `&'a Context` is fine.
fn check_generic_function(errors: &mut Errors, function: &Function) {
    let params = &function.sig.generics.params;
    for param in params.iter().filter(|param| !matches!(param, GenericParam::Lifetime(_))) {
        errors.at(param, diagnostics::generic_function());
    }
}

fn check_self_receiver(errors: &mut Errors, function: &Function) {
    for input in &function.sig.inputs {
        if let FnArg::Receiver(receiver) = input {
            errors.at(receiver, diagnostics::self_receiver());
        }
    }
}

fn check_impl_trait(errors: &mut Errors, function: &Function) {
    struct Find<'a>(&'a mut Errors);
    impl<'ast> Visit<'ast> for Find<'_> {
        fn visit_type_impl_trait(&mut self, node: &'ast TypeImplTrait) {
            self.0.at(node, diagnostics::impl_trait());
            visit::visit_type_impl_trait(self, node);
        }
    }
    Find(errors).visit_signature(&function.sig);
}

fn check_missing_parameter(errors: &mut Errors, function: &Function) {
    if function.sig.inputs.is_empty() {
        errors.at_span(function.sig.paren_token.span.join(), diagnostics::missing_parameter());
    }
}

/// A type called `Context` may well be the user's own; only what can be nothing else is refused here.
fn check_parameter_not_first(errors: &mut Errors, function: &Function) {
    let Some(ty) = function.inputs().next() else { return };
    if is_misplaced(ty) {
        errors.at(ty, diagnostics::parameter_not_first());
    }
}

fn is_misplaced(ty: &Type) -> bool {
    match model::look(ty) {
        (Look::Scrapbook | Look::Dependency, ..) => true,
        (Look::Context, taken, _) => taken != Taken::Value,
        _ => false,
    }
}

fn check_borrowed_parameter(errors: &mut Errors, function: &Function) {
    let Some(ty) = function.inputs().next() else { return };
    let (_, taken, inner) = model::look(ty);
    if taken != Taken::Value && !is_misplaced(ty) {
        errors.at(ty, diagnostics::borrowed_parameter(&model::owned(inner)));
    }
}

fn check_scrapbook_not_by_mut(errors: &mut Errors, function: &Function) {
    for ty in function.inputs().skip(1) {
        if let (Look::Scrapbook, Taken::Value | Taken::Ref, inner) = model::look(ty) {
            errors.at(ty, diagnostics::scrapbook_not_by_mut(&names::written(inner)));
        }
    }
}

/// Scrapbooks behind aliases are counted by the argument traits.
fn check_second_scrapbook(errors: &mut Errors, function: &Function) {
    let is_scrapbook = |ty: &&Type| matches!(model::look(ty), (Look::Scrapbook, ..));
    for ty in function.inputs().filter(is_scrapbook).skip(1) {
        errors.at(ty, diagnostics::second_scrapbook());
    }
}

fn check_context_not_by_ref(errors: &mut Errors, function: &Function) {
    for ty in function.inputs().skip(1) {
        if let (Look::Context, Taken::Value | Taken::Mut, _) = model::look(ty) {
            errors.at(ty, diagnostics::context_not_by_ref());
        }
    }
}

fn check_shared_pointer(errors: &mut Errors, function: &Function) {
    for ty in function.inputs().skip(1) {
        if let (Look::SharedPointer, _, pointer) = model::look(ty) {
            let service = model::pointee(pointer).map_or_else(|| "T".to_owned(), names::written);
            errors.at(ty, diagnostics::shared_pointer(&service));
        }
    }
}

fn check_borrowed_dependency(errors: &mut Errors, function: &Function) {
    for ty in function.inputs().skip(1) {
        if let (Look::Dependency, Taken::Ref | Taken::Mut, dependency) = model::look(ty) {
            errors.at(ty, diagnostics::borrowed_dependency(&names::written(dependency)));
        }
    }
}

fn check_borrowed_result(errors: &mut Errors, function: &Function) {
    if let ReturnType::Type(_, ty) = &function.sig.output
        && let (_, Taken::Ref | Taken::Mut, inner) = model::look(ty)
    {
        errors.at(ty, diagnostics::borrowed_result(&model::owned(inner)));
    }
}

fn check_never_result(errors: &mut Errors, function: &Function) {
    if let ReturnType::Type(_, ty) = &function.sig.output
        && matches!(**ty, Type::Never(_))
    {
        errors.at(ty, diagnostics::never_result());
    }
}
