//! Lists of `argument = value` and `argument(…)`, read leniently: one mistake never hides the next.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::discouraged::Speculative;
use syn::parse::{ParseStream, Parser};
use syn::{Ident, Lit, LitBool, LitInt, LitStr, Path, Token, Type};

use crate::diagnostics::{self, Errors};
use crate::names;

/// What a list holds, for what is said about it.
pub(crate) struct Form {
    /// What is said about a literal without a name.
    pub(crate) positional: fn(&Lit) -> String,
    /// A value that would be right for this argument.
    pub(crate) example: fn(&str) -> String,
    /// The arguments that are lists themselves: `argument(…)`.
    pub(crate) lists: &'static [&'static str],
}

/// One `argument = value`, or `argument(…)`.
pub(crate) struct Pair {
    pub(crate) key: Ident,
    pub(crate) value: Value,
}

/// What stands behind the `=`.
pub(crate) enum Value {
    Lit(Lit),
    /// A path, and anything else that has the form of a type.
    Type(Box<Type>),
    /// A list in parentheses.
    List(TokenStream),
    /// Neither, which is always wrong.
    Other(TokenStream),
}

impl ToTokens for Value {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Lit(literal) => literal.to_tokens(tokens),
            Self::Type(ty) => ty.to_tokens(tokens),
            Self::List(list) | Self::Other(list) => list.to_tokens(tokens),
        }
    }
}

/// What a macro says about one of its arguments when it is wrong.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// For example `a number`.
    pub(crate) kind: &'static str,
    /// A value that would be right.
    pub(crate) example: &'static str,
}

/// Reads a list; what cannot be read is an error and is skipped.
pub(crate) fn parse(errors: &mut Errors, tokens: TokenStream, form: &Form) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (span, part) in split(tokens) {
        let read = |input: ParseStream<'_>| {
            if input.peek(Lit) {
                let literal: Lit = input.parse()?;
                return Err(syn::Error::new(literal.span(), (form.positional)(&literal)));
            }
            pair(input, form)
        };
        match read.parse2(part) {
            Ok(pair) => pairs.push(pair),
            Err(error) => errors.at_span(narrowed(error.span(), span), error),
        }
    }
    pairs
}

/// A mistake at the end of the input has no token of its own: the list's part stands for it.
fn narrowed(error: Span, part: Span) -> Span {
    if error.source_text().is_some_and(|text| !text.is_empty()) { error } else { part }
}

fn pair(input: ParseStream<'_>, form: &Form) -> syn::Result<Pair> {
    let not_a_pair = |error: syn::Error| syn::Error::new(error.span(), diagnostics::not_a_pair());
    let key = input.call(Ident::parse_any).map_err(not_a_pair)?;
    let name = key.to_string();
    let example = (form.example)(&name);
    let value = if form.lists.contains(&name.as_str()) {
        let missing = |_| syn::Error::new(key.span(), diagnostics::missing_list(&name, &example));
        list(input).map_err(missing)?
    } else {
        let missing = |_| syn::Error::new(key.span(), diagnostics::missing_value(&name, &example));
        input.parse::<Token![=]>().and_then(|_| value(input)).map_err(missing)?
    };
    if !input.is_empty() {
        return Err(input.error(diagnostics::missing_comma()));
    }
    Ok(Pair { key, value })
}

fn list(input: ParseStream<'_>) -> syn::Result<Value> {
    let content;
    syn::parenthesized!(content in input);
    Ok(Value::List(content.parse()?))
}

/// There is something, whatever it is.
fn value(input: ParseStream<'_>) -> syn::Result<Value> {
    if input.is_empty() {
        return Err(input.error(diagnostics::not_a_pair()));
    }
    let ahead = input.fork();
    let value = if ahead.peek(Lit) {
        ahead.parse().map(Value::Lit)
    } else {
        ahead.parse().map(ungrouped).map(Value::Type)
    };
    // A word or a literal that follows belongs to the next argument; everything else would go on with this one.
    let is_whole = ahead.is_empty() || ahead.peek(Ident::peek_any) || ahead.peek(Lit);
    match value {
        Ok(value) if is_whole => {
            input.advance_to(&ahead);
            Ok(value)
        }
        _ => Ok(Value::Other(input.parse()?)),
    }
}

/// A path that a macro of the user's hands on comes in invisible parentheses.
fn ungrouped(ty: Box<Type>) -> Box<Type> {
    match *ty {
        Type::Group(group) => ungrouped(group.elem),
        _ => ty,
    }
}

/// Cuts a list at its commas, except those between angle brackets, and gives each part with its first span.
fn split(tokens: TokenStream) -> Vec<(Span, TokenStream)> {
    let mut parts: Vec<(Span, TokenStream)> = Vec::new();
    let mut depth = 0_i32;
    let mut fresh = true;
    for token in tokens {
        if let TokenTree::Punct(punct) = &token {
            match punct.as_char() {
                '<' => depth += 1,
                '>' => depth -= 1,
                ',' if depth <= 0 => {
                    fresh = true;
                    continue;
                }
                _ => {}
            }
        }
        match parts.last_mut() {
            Some((_, part)) if !fresh => part.extend([token]),
            _ => parts.push((token.span(), token.into())),
        }
        fresh = false;
    }
    parts
}

/// Remembers which arguments have been given.
#[derive(Default)]
pub(crate) struct Seen(Vec<String>);

impl Seen {
    /// Whether this is the first time; the second one is an error.
    pub(crate) fn is_first(&mut self, errors: &mut Errors, key: &Ident) -> bool {
        let name = key.to_string();
        if self.0.contains(&name) {
            errors.at(key, diagnostics::duplicate_key(&name));
            return false;
        }
        self.0.push(name);
        true
    }
}

impl Value {
    fn wrong<T>(&self, errors: &mut Errors, key: &Key) -> Option<T> {
        errors.at(self, diagnostics::wrong_value(key.name, key.kind, key.example));
        None
    }

    pub(crate) fn boolean(self, errors: &mut Errors, key: &Key) -> Option<LitBool> {
        match self {
            Self::Lit(Lit::Bool(boolean)) => Some(boolean),
            other => other.wrong(errors, key),
        }
    }

    pub(crate) fn path(self, errors: &mut Errors, key: &Key) -> Option<Path> {
        match self {
            Self::Type(ty) => match *ty {
                Type::Path(path) if path.qself.is_none() => Some(path.path),
                other => Self::Type(Box::new(other)).wrong(errors, key),
            },
            other => other.wrong(errors, key),
        }
    }

    pub(crate) fn ident(self, errors: &mut Errors, key: &Key) -> Option<Ident> {
        match &self {
            Self::Type(ty) => match &**ty {
                Type::Path(path) if path.qself.is_none() => match path.path.get_ident() {
                    Some(ident) => Some(ident.clone()),
                    None => self.wrong(errors, key),
                },
                _ => self.wrong(errors, key),
            },
            _ => self.wrong(errors, key),
        }
    }

    pub(crate) fn list(self, errors: &mut Errors, key: &Key) -> Option<TokenStream> {
        match self {
            Self::List(list) => Some(list),
            other => other.wrong(errors, key),
        }
    }

    pub(crate) fn string(self, errors: &mut Errors, key: &Key) -> Option<LitStr> {
        match self {
            Self::Lit(Lit::Str(text)) => Some(text),
            other => other.wrong(errors, key),
        }
    }

    /// A number, with or without a fraction.
    pub(crate) fn number(self, errors: &mut Errors, key: &Key) -> Option<Number> {
        let (value, literal) = match self {
            Self::Lit(Lit::Int(literal)) if literal.suffix().is_empty() => {
                (literal.base10_parse(), Lit::Int(literal))
            }
            Self::Lit(Lit::Float(literal)) if literal.suffix().is_empty() => {
                (literal.base10_parse(), Lit::Float(literal))
            }
            other => return other.wrong(errors, key),
        };
        Some(Number { value: value.unwrap_or(f64::NAN), literal })
    }

    /// A whole number.
    pub(crate) fn count(self, errors: &mut Errors, key: &Key) -> Option<LitInt> {
        match self {
            Self::Lit(Lit::Int(literal)) if literal.suffix().is_empty() => Some(literal),
            other => other.wrong(errors, key),
        }
    }

    pub(crate) fn version(self, errors: &mut Errors, key: &Key) -> Option<Version> {
        let literal = self.count(errors, key)?;
        Some(Version { number: whole(&literal), literal })
    }
}

/// A whole number, brought into the range of its type.
pub(crate) fn whole(literal: &LitInt) -> u64 {
    let otherwise = if literal.base10_digits().starts_with('-') { 0 } else { u64::MAX };
    literal.base10_parse().unwrap_or(otherwise)
}

/// A number as it is written.
pub(crate) struct Number {
    pub(crate) value: f64,
    pub(crate) literal: Lit,
}

/// A version as it is written.
pub(crate) struct Version {
    number: u64,
    pub(crate) literal: LitInt,
}

impl Version {
    /// Its number, brought into the range that is allowed.
    pub(crate) fn number(&self) -> u32 {
        u32::try_from(self.number).unwrap_or(names::MAX_VERSION).clamp(1, names::MAX_VERSION)
    }

    /// The rule for it.
    pub(crate) fn check_range(&self, errors: &mut Errors, key: &str) {
        if self.number == 0 {
            errors.at(&self.literal, diagnostics::version_zero(key));
        } else if self.number > u64::from(names::MAX_VERSION) {
            errors.at(&self.literal, diagnostics::version_too_large(key, names::MAX_VERSION));
        }
    }
}
