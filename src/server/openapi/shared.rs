//! The answers that operations share: each operation gets those that it may give, so that no handler has to list them.

use utoipa::{
    ToSchema,
    openapi::{
        Components, ContentBuilder, Header, HeaderBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Type,
        path::{Operation, ParameterIn, PathItem},
    },
};

use crate::base::{
    error::{self, Dialect, Error, Kind, Problem},
    input::is_classworks,
};

/// Puts the shared answers among the components.
pub(super) fn declare(components: &mut Components) {
    for (name, kind, _) in COMMON {
        components.responses.insert((*name).to_owned(), RefOr::T(problem(kind)));
    }
}

/// Adds to the operations of a path what they may answer and do not list themselves.
pub(super) fn add(path: &str, item: &mut PathItem) {
    if let Some(operation) = &mut item.get {
        complete(path, true, operation);
    }
    for operation in [&mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten() {
        complete(path, false, operation);
    }
}

/// What decides which of the common answers an operation may give.
struct Traits {
    has_body: bool,
    has_json: bool,
    /// Something in path, query, headers or body can be malformed.
    takes_input: bool,
    /// A JSON body or a query where what does not fit is 422; ClassworksKV's clients know 400 only.
    is_checked: bool,
    is_guarded: bool,
    /// Admins' secrets may lack a scope; app tokens may be for reading only.
    may_forbid: bool,
    /// Wrong secrets are counted, so are the calls of tokens, and what costs a password check.
    is_counted: bool,
    uses_database: bool,
}

/// Whether an operation may give an answer.
type Applies = fn(&Traits) -> bool;

/// The answers which the operations do not list for themselves.
static COMMON: &[(&str, &Kind, Applies)] = &[
    ("MalformedRequest", &error::MALFORMED_REQUEST, |it| it.takes_input),
    ("Unauthenticated", &error::UNAUTHENTICATED, |it| it.is_guarded),
    ("Forbidden", &error::FORBIDDEN, |it| it.may_forbid),
    ("RequestTimeout", &error::REQUEST_TIMEOUT, |it| it.has_body),
    ("PayloadTooLarge", &error::PAYLOAD_TOO_LARGE, |it| it.has_body),
    ("UnsupportedMediaType", &error::UNSUPPORTED_MEDIA_TYPE, |it| it.has_json),
    ("InvalidRequest", &error::INVALID_REQUEST, |it| it.is_checked),
    ("TooManyRequests", &error::TOO_MANY_REQUESTS, |it| it.is_counted),
    ("DatabaseUnavailable", &error::DATABASE_UNAVAILABLE, |it| it.uses_database),
];

impl Traits {
    fn of(path: &str, is_get: bool, operation: &Operation) -> Self {
        let (has_body, has_json) = match &operation.request_body {
            Some(RefOr::T(body)) => (true, body.content.keys().any(|kind| kind.ends_with("json"))),
            Some(RefOr::Ref(_)) => (true, true),
            None => (false, false),
        };
        let is_old = is_classworks(path);
        let takes = |place: ParameterIn| {
            let all = operation.parameters.iter().flatten();
            // A precondition that cannot be read counts as one that does not hold.
            all.into_iter()
                .any(|one| matches!(one, RefOr::T(one) if one.parameter_in == place && !one.name.starts_with("If-")))
        };
        let schemes = serde_json::to_string(&operation.security).unwrap_or_default();
        let needs = |scheme: &str| schemes.contains(&format!("\"{scheme}\""));
        let in_query = takes(ParameterIn::Query);
        Self {
            has_body,
            has_json,
            takes_input: has_body || takes(ParameterIn::Path) || takes(ParameterIn::Header) || (is_old && in_query),
            is_checked: !is_old && (has_json || in_query),
            is_guarded: operation.security.as_ref().is_some_and(|list| !list.is_empty()),
            may_forbid: needs("ApiSecret") || (needs("AppToken") && !is_get),
            is_counted: needs("ApiSecret") || needs("AppToken") || (needs("SiteKey") && !is_get),
            uses_database: operation.tags.iter().flatten().all(|tag| tag != "operations"),
        }
    }
}

/// Adds the common answers that the operation does not describe itself.
fn complete(path: &str, is_get: bool, operation: &mut Operation) {
    let traits = Traits::of(path, is_get, operation);
    for (name, kind, applies) in COMMON {
        let status = kind.class.status().as_u16().to_string();
        if applies(&traits) && !operation.responses.responses.contains_key(&status) {
            let reference = RefOr::Ref(Ref::new(format!("#/components/responses/{name}")));
            operation.responses.responses.insert(status, reference);
        }
    }
    for status in ["429", "503"] {
        if let Some(RefOr::T(response)) = operation.responses.responses.get_mut(status) {
            response.headers.entry("Retry-After".to_owned()).or_insert_with(|| RefOr::T(retry_after()));
        }
    }
}

fn retry_after() -> Header {
    let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).build();
    HeaderBuilder::new().schema(Some(seconds)).description(Some("Seconds to wait.")).build()
}

/// A problem as a reusable answer.
fn problem(kind: &'static Kind) -> Response {
    let example = match kind.class {
        error::Class::Invalid => Error::invalid_field("name", "required", "is required"),
        _ => kind.error(kind.help),
    };
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(Problem::name())))
        .example(Some(example.document("019aa3f2-7c1e-7d52-9b0a-4f0f6f2b7a11", Dialect::Plain)))
        .build();
    let response = ResponseBuilder::new().description(kind.title).content("application/problem+json", content);
    match kind.class {
        error::Class::TooMany | error::Class::Unavailable => response.header("Retry-After", retry_after()).build(),
        _ => response.build(),
    }
}
