//! The OpenAPI 3.1 document: title, security schemes and the answers that every operation may give; the operations
//! come from the handlers. The 404/405 fallback reads the same document.

mod shared;

use std::sync::LazyLock;

use actix_web::{App, web::Bytes};
use serde_json::json;
use utoipa::{
    OpenApi as _, ToSchema,
    openapi::{
        Components, Info, OpenApi, OpenApiBuilder, RefOr, Schema,
        path::PathItem,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
        tag::TagBuilder,
    },
};
use utoipa_actix_web::AppExt;

use super::{frame, routes};
use crate::base::{
    error::{FieldError, Problem},
    secret::sha256_hex,
};

/// The document, rendered, and what the fallback needs of it.
pub struct Document {
    /// As it is served.
    pub json: Bytes,
    /// Strong entity tag, with its quotes.
    pub etag: String,
    /// For people and for comparing: the same, indented, with a line end.
    pub pretty: String,
    paths: Vec<Template>,
}

/// A path of the document.
struct Template {
    text: String,
    /// `None` stands for any one segment.
    segments: Vec<Option<String>>,
    methods: Vec<&'static str>,
}

/// The document of this binary. It depends on nothing but the code.
#[must_use]
pub fn document() -> &'static Document {
    static DOCUMENT: LazyLock<Document> = LazyLock::new(|| Document::new(&build()));
    &DOCUMENT
}

impl Document {
    fn new(api: &OpenApi) -> Self {
        // A document made of these types always serializes; an empty one would fail the tests.
        let json = serde_json::to_string(api).unwrap_or_default();
        let pretty = serde_json::to_string_pretty(api).unwrap_or_default() + "\n";
        let documented = api.paths.paths.iter().map(|(path, item)| Template::new(path, methods(item)));
        let pages = routes::PAGES.iter().map(|path| Template::new(path, vec!["GET", "HEAD", "OPTIONS"]));
        let etag = format!("\"{}\"", sha256_hex(json.as_bytes()).get(..16).unwrap_or_default());
        Self { etag, json: json.into(), pretty, paths: documented.chain(pages).collect() }
    }

    /// The template that this path looks like.
    #[must_use]
    pub fn template(&self, path: &str) -> Option<&str> {
        self.paths.iter().find(|template| template.matches(path)).map(|template| template.text.as_str())
    }

    /// Value of `Allow` for this path; none when no path of ours looks like it.
    #[must_use]
    pub fn allowed(&self, path: &str) -> Option<String> {
        let matching = || self.paths.iter().filter(|template| template.matches(path));
        // What a path says word by word goes before what looks like it.
        let least = matching().map(Template::placeholders).min()?;
        let mut allowed: Vec<&str> = Vec::new();
        for template in matching().filter(|template| template.placeholders() == least) {
            allowed.extend(template.methods.iter().filter(|method| !allowed.contains(method)).collect::<Vec<_>>());
        }
        Some(allowed.join(", "))
    }
}

impl Template {
    fn new(path: &str, methods: Vec<&'static str>) -> Self {
        let segment = |text: &str| (!text.starts_with('{')).then(|| text.to_owned());
        Self { text: path.to_owned(), segments: path.split('/').map(segment).collect(), methods }
    }

    fn placeholders(&self) -> usize {
        self.segments.iter().filter(|segment| segment.is_none()).count()
    }

    fn matches(&self, path: &str) -> bool {
        let mut parts = path.split('/');
        let all = self.segments.iter().all(|segment| match (segment, parts.next()) {
            (Some(fixed), Some(part)) => fixed == part,
            (None, Some(part)) => !part.is_empty(),
            (_, None) => false,
        });
        all && parts.next().is_none()
    }
}

/// The methods of a path, with those that every path has.
fn methods(item: &PathItem) -> Vec<&'static str> {
    let known = [
        ("GET", item.get.is_some()),
        ("HEAD", item.get.is_some()),
        ("POST", item.post.is_some()),
        ("PUT", item.put.is_some()),
        ("PATCH", item.patch.is_some()),
        ("DELETE", item.delete.is_some()),
        ("OPTIONS", true),
    ];
    known.into_iter().filter_map(|(name, is)| is.then_some(name)).collect()
}

fn build() -> OpenApi {
    #[derive(utoipa::OpenApi)]
    #[openapi(components(schemas(Problem, FieldError)))]
    struct Shared;

    let (_, mut api) = App::new().into_utoipa_app().openapi(Shared::openapi()).configure(routes::api).split_for_parts();
    let components = api.components.get_or_insert_with(Components::new);
    list_codes(components);
    add_security(components);
    shared::declare(components);
    for (path, item) in &mut api.paths.paths {
        shared::add(path, item);
    }
    let base = OpenApiBuilder::new()
        .info(
            Info::builder()
                .title("Latchkey")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(include_str!("../intro.md")))
                .build(),
        )
        .tags(Some(
            routes::TAGS.iter().map(|(name, text)| TagBuilder::new().name(*name).description(Some(*text)).build()),
        ));
    let mut whole = base.build();
    whole.paths = api.paths;
    whole.components = api.components;
    whole
}

/// Every code there is, in the schema of problems.
fn list_codes(components: &mut Components) {
    let Some(RefOr::T(Schema::Object(schema))) = components.schemas.get_mut(Problem::name().as_ref()) else { return };
    let Some(RefOr::T(Schema::Object(code))) = schema.properties.get_mut("code") else { return };
    let mut codes: Vec<&str> = routes::problems().iter().map(|kind| kind.code).collect();
    codes.push(frame::OTHER_CODE);
    codes.sort_unstable();
    code.enum_values = Some(codes.into_iter().map(|code| json!(code)).collect());
}

fn add_security(components: &mut Components) {
    let header =
        |name: &str, text: &str| SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(name, text)));
    let bearer = |text: &str, format: Option<&str>| {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(text));
        SecurityScheme::Http(match format {
            Some(format) => scheme.bearer_format(format).build(),
            None => scheme.build(),
        })
    };
    let schemes = [
        ("ApiSecret", header("X-API-Secret", "The root secret, or a scoped secret made under /public-api/secrets.")),
        ("AdminJwt", bearer("The token of POST /auth/login.", Some("JWT"))),
        ("AppToken", bearer("The token of an app on a device. `x-app-token` and `?token=` carry it too.", None)),
        ("SiteKey", header("x-site-key", "The site's key, where the operator has set one.")),
        ("MetricsToken", bearer("`security.metrics_token`, where the operator has set one.", None)),
    ];
    components.security_schemes.extend(schemes.map(|(name, scheme)| (name.to_owned(), RefOr::T(scheme))));
}

#[cfg(test)]
mod tests {
    use utoipa::openapi::path::Operation;

    use super::*;

    fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
        [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
    }

    #[test]
    fn a_placeholder_stands_for_one_segment_that_is_not_empty() {
        let template = Template::new("/kv/{key}/metadata", vec!["GET"]);
        assert!(template.matches("/kv/a/metadata"));
        for path in ["/kv//metadata", "/kv/a/b/metadata", "/kv/a", "/kv/a/metadata/"] {
            assert!(!template.matches(path), "{path}");
        }
    }

    #[test]
    fn every_operation_has_an_id_of_its_own_a_summary_and_a_tag_that_is_explained() {
        let api = build();
        let mut ids = std::collections::HashSet::new();
        for (path, mut item) in api.paths.paths {
            for operation in operations(&mut item) {
                let id = operation.operation_id.clone().unwrap_or_default();
                assert!(!id.is_empty() && ids.insert(id.clone()), "{path}: '{id}'");
                assert!(operation.summary.is_some(), "{path}");
                let tags = operation.tags.clone().unwrap_or_default();
                assert!(!tags.is_empty(), "{path}");
                for tag in tags {
                    assert!(routes::TAGS.iter().any(|(name, _)| *name == tag), "{path}: {tag}");
                }
            }
        }
    }

    #[test]
    fn every_code_has_one_kind() {
        let mut codes = std::collections::HashSet::new();
        for kind in routes::problems() {
            assert!(codes.insert(kind.code), "{}", kind.code);
        }
    }
}
