//! The OpenAPI document: it describes the routes there are, all of them, with everything a reader needs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use latchkey::server::{openapi, routes};
use serde_json::{Map, Value, json};

use crate::kit::{Database, Process, TestApp, document, documented};

/// Operations for which nobody has to say who they are.
const OPEN: &[&str] = &["login", "getHealth", "getReady", "getOpenapi", "listProblems", "explainProblem"];

fn resolve(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(reference) => document()
            .pointer(reference.strip_prefix('#').unwrap())
            .unwrap_or_else(|| panic!("{reference} leads nowhere")),
        None => value,
    }
}

fn operations() -> Vec<(&'static str, &'static str, &'static Value)> {
    let paths = document()["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, operation)| (method.as_str(), path.as_str(), operation))
        })
        .collect()
}

/// The attribute of a route macro on this line: method and path.
fn route(line: &str) -> Option<(String, String)> {
    let (method, rest) = line.trim().strip_prefix("#[")?.split_once("(\"")?;
    let path = rest.split('"').next()?;
    ["get", "post", "put", "patch", "delete"].contains(&method).then(|| (method.to_owned(), path.to_owned()))
}

fn routes_of(folder: &Path, found: &mut BTreeSet<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "tests") {
                routes_of(&path, found);
            }
        } else {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            // A pattern such as {token:.*} is documented without it.
            let plain = |path: String| {
                path.split('{')
                    .enumerate()
                    .map(|(nth, part)| match part.split_once('}') {
                        Some((name, rest)) if nth > 0 => format!("{{{}}}{rest}", name.split(':').next().unwrap()),
                        _ => part.to_owned(),
                    })
                    .collect::<String>()
            };
            found.extend(code.lines().filter_map(route).map(|(method, path)| (method, plain(path))));
        }
    }
}

#[test]
fn the_committed_document_is_the_generated_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert!(committed == openapi::document().pretty, "run: cargo run -- openapi > docs/openapi.json");
}

#[test]
fn the_command_prints_the_document_that_is_served() {
    let database = Database::sqlite();
    let printed = Process::run(&database, &["openapi"]);
    assert!(printed.status.success());
    assert_eq!(&serde_json::from_slice::<Value>(&printed.stdout).unwrap(), document());
    let _ = fs::remove_dir_all(database.folder);
}

#[test]
fn every_route_is_documented_and_every_documented_operation_has_a_route() {
    let mut routes = BTreeSet::new();
    routes_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut routes);
    let documented: BTreeSet<_> =
        operations().into_iter().map(|(method, path, _)| (method.to_owned(), path.to_owned())).collect();
    assert_eq!(documented.difference(&routes).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "without a route");
    assert_eq!(routes.difference(&documented).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "not documented");
}

on_both! {
    async fn every_documented_operation_is_answered_by_its_handler(app: TestApp) {
        for (method, template, operation) in documented() {
            if operation["operationId"] == "followChanges" {
                continue; // answers as long as the client listens; kv has tests of its own for it
            }
            let path = concrete(&template);
            let answer = app.call(&method, &path).root().send().await;
            let nobody = answer.status == 404 && answer.text().contains("There is nothing at this path.");
            assert!(answer.status != 405 && !nobody, "{method} {template}");
        }
    }

    async fn an_undocumented_method_is_405_with_every_documented_one(app: TestApp) {
        let (all, device) = (["GET", "POST", "PUT", "PATCH", "DELETE"], app.new_device().await);
        for (template, item) in document()["paths"].as_object().unwrap() {
            let path = concrete(template);
            let known: Vec<String> = item.as_object().unwrap().keys().map(|method| method.to_ascii_uppercase()).collect();
            for method in all.into_iter().filter(|method| !known.iter().any(|known| known == method)) {
                let answer = app.call(method, &path).token(&device.token).send().await;
                if answer.status != 405 {
                    // Another template takes it: /kv/_keys is a key to /kv/{key}, and a reserved one.
                    assert!(answer.text().contains("KEY_RESERVED"), "{method} {template}: {}", answer.text());
                    continue;
                }
                answer.problem(405, "METHOD_NOT_ALLOWED");
                let allowed: Vec<&str> = answer.header("allow").unwrap().split(", ").collect();
                assert!(known.iter().all(|known| allowed.contains(&known.as_str())), "{template}: {allowed:?}");
                assert_eq!(allowed.contains(&"HEAD"), allowed.contains(&"GET"), "{template}");
                assert!(!allowed.contains(&method), "{method} {template}");
            }
        }
    }
}

/// A path of this template.
fn concrete(template: &str) -> String {
    let value = |name: &str| match name {
        "id" if template.contains("/tasks/") => "0198f1b2-5f0a-7c3e-9a51-3f6f0c2b7d11",
        "id" => "1",
        "slug" => "not-found",
        "name" => "nothing",
        _ => "some-thing",
    };
    let parts =
        template.split('/').map(|part| part.strip_prefix('{').map_or(part, |name| value(name.trim_end_matches('}'))));
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn every_operation_says_what_it_is() {
    let mut ids = BTreeSet::new();
    let tags: Vec<&Value> = document()["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    let (mut used, mut silent) = (BTreeSet::new(), Vec::new());
    for (method, path, operation) in operations() {
        let id = operation["operationId"].as_str().unwrap_or_default();
        assert!(!id.is_empty() && ids.insert(id), "{method} {path}: operation id '{id}'");
        for member in ["summary", "description"] {
            if operation[member].as_str().unwrap_or_default().trim().is_empty() {
                silent.push(format!("{method} {path} has no {member}"));
            }
        }
        let summary = operation["summary"].as_str().unwrap();
        assert!(summary.len() <= 80 && !summary.contains('\n'), "{method} {path}: {summary}");
        for tag in operation["tags"].as_array().unwrap_or_else(|| panic!("{method} {path} has no tag")) {
            assert!(tags.contains(&tag), "{method} {path}: {tag} is not explained");
            used.insert(tag.as_str().unwrap());
        }
    }
    assert!(silent.is_empty(), "{silent:#?}");
    assert_eq!(used.len(), tags.len(), "a tag that nothing has");
}

#[test]
fn every_operation_names_the_credentials_it_takes() {
    let schemes = document()["components"]["securitySchemes"].as_object().unwrap();
    for (method, path, operation) in operations() {
        let list = operation["security"].as_array().cloned().unwrap_or_default();
        assert_eq!(list.is_empty(), OPEN.contains(&operation["operationId"].as_str().unwrap()), "{method} {path}");
        for scheme in list.iter().flat_map(|one| one.as_object().unwrap().keys()) {
            assert!(schemes.contains_key(scheme), "{method} {path}: {scheme} is not explained");
        }
    }
    assert_eq!(
        (&schemes["ApiSecret"]["in"], &schemes["ApiSecret"]["name"]),
        (&json!("header"), &json!("X-API-Secret"))
    );
    assert_eq!(
        (&schemes["AdminJwt"]["scheme"], &schemes["AdminJwt"]["bearerFormat"]),
        (&json!("bearer"), &json!("JWT"))
    );
    assert_eq!(schemes["AppToken"]["scheme"], "bearer");
    assert_eq!(schemes["SiteKey"]["name"], "x-site-key");
    assert!(schemes.values().all(|scheme| scheme["description"].is_string()));
}

#[test]
fn every_parameter_is_described() {
    for (method, path, operation) in operations() {
        let listed = operation["parameters"].as_array().cloned().unwrap_or_default();
        let mut names = BTreeSet::new();
        for parameter in &listed {
            let name = parameter["name"].as_str().unwrap();
            assert!(
                names.insert((parameter["in"].clone().to_string(), name.to_owned())),
                "{method} {path}: {name} twice"
            );
            assert!(parameter["description"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path}: {name}");
            assert!(parameter["schema"].is_object(), "{method} {path}: {name}");
        }
        let in_path: BTreeSet<String> =
            path.split('/').filter_map(|part| Some(part.strip_prefix('{')?.strip_suffix('}')?.to_owned())).collect();
        let declared = listed
            .iter()
            .filter(|one| one["in"] == "path")
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(in_path, declared, "{method} {path}");
    }
}

/// The example that a reader is shown for this media type: its own, or put together from its schema.
fn example(media: &'static Value) -> Option<Value> {
    if let Some(example) = media.get("example") {
        return Some(example.clone());
    }
    if let Some(examples) = media["examples"].as_object() {
        return examples.values().next().map(|example| example["value"].clone());
    }
    of_schema(&media["schema"])
}

/// The documented example of an operation's JSON body.
pub fn body_example(id: &str) -> Option<Value> {
    let (.., operation) = operations().into_iter().find(|(.., operation)| operation["operationId"] == id)?;
    example(resolve(operation.get("requestBody")?)["content"].get("application/json")?)
}

fn of_schema(schema: &'static Value) -> Option<Value> {
    let schema = resolve(schema);
    if let Some(example) = schema.get("example").or_else(|| schema["examples"].get(0)) {
        return Some(example.clone());
    }
    if let Some(only) = schema.get("const").or_else(|| schema["enum"].get(0)).or_else(|| schema.get("default")) {
        return Some(only.clone());
    }
    for any in ["oneOf", "anyOf"] {
        if let Some(list) = schema[any].as_array() {
            return list.iter().rev().find_map(of_schema);
        }
    }
    if let Some(list) = schema["allOf"].as_array() {
        let parts = list.iter().map(of_schema).collect::<Option<Vec<_>>>()?;
        let mut whole = Map::new();
        parts.into_iter().for_each(|part| whole.extend(part.as_object().cloned().unwrap_or_default()));
        return Some(Value::Object(whole));
    }
    if let Some(properties) = schema["properties"].as_object() {
        let value = |(name, schema): (&String, &'static Value)| Some((name.clone(), of_schema(schema)?));
        return properties.iter().map(value).collect::<Option<Map<_, _>>>().map(Value::Object);
    }
    if schema["items"].is_object() {
        return of_schema(&schema["items"]).map(|item| json!([item]));
    }
    None
}

/// What is wrong with the example, if anything.
fn example_wrong(place: &str, media: &'static Value) -> Option<String> {
    let Some(example) = example(media) else { return Some(format!("{place} has no example")) };
    let mut whole = json!({"components": document()["components"]});
    whole["allOf"] = json!([media["schema"]]);
    let validator = jsonschema::validator_for(&whole).unwrap();
    let errors: Vec<_> =
        validator.iter_errors(&example).map(|error| format!("{}: {error}", error.instance_path)).collect();
    (!errors.is_empty()).then(|| format!("{place}: the example {example} does not fit: {errors:?}"))
}

#[test]
fn every_body_and_every_good_answer_has_an_example_that_fits_its_schema() {
    let mut wrong = Vec::new();
    for (method, path, operation) in operations() {
        if let Some(body) = operation.get("requestBody").map(resolve) {
            for (kind, media) in body["content"].as_object().unwrap() {
                wrong.extend(example_wrong(&format!("the {kind} body of {method} {path}"), media));
            }
        }
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{method} {path}");
        for (status, response) in responses {
            let response = resolve(response);
            assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path} {status}");
            for (kind, media) in response["content"].as_object().into_iter().flatten() {
                if status.starts_with('2') && kind.ends_with("json") {
                    wrong.extend(example_wrong(&format!("the {status} {kind} answer of {method} {path}"), media));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_error_is_a_problem_document() {
    for (method, path, operation) in operations() {
        for (status, response) in operation["responses"].as_object().unwrap() {
            if !status.starts_with(['4', '5']) {
                continue;
            }
            let content =
                resolve(response)["content"].as_object().unwrap_or_else(|| panic!("{method} {path} {status}"));
            assert_eq!(content.keys().collect::<Vec<_>>(), ["application/problem+json"], "{method} {path} {status}");
            let schema = &content["application/problem+json"]["schema"];
            assert_eq!(schema["$ref"], "#/components/schemas/Problem", "{method} {path} {status}");
            if matches!(status.as_str(), "429" | "503") {
                let headers = resolve(response)["headers"].as_object();
                assert!(headers.is_some_and(|headers| headers.contains_key("Retry-After")), "{method} {path} {status}");
            }
        }
    }
}

#[test]
fn every_operation_lists_the_answers_that_its_kind_may_give() {
    for (method, path, operation) in operations() {
        let has = |status: &str| operation["responses"].get(status).is_some();
        let mut expected = Vec::new();
        if operation["tags"] != json!(["operations"]) {
            expected.push("503");
        }
        if path.contains('{') || operation["requestBody"].is_object() {
            expected.push("400");
        }
        let takes = |scheme: &str| operation["security"].to_string().contains(scheme);
        if !OPEN.contains(&operation["operationId"].as_str().unwrap()) {
            expected.push("401");
        }
        if takes("ApiSecret") || takes("AppToken") {
            expected.push("429");
        }
        if operation["requestBody"].is_object() {
            expected.extend(["408", "413"]);
        }
        if takes("ApiSecret") {
            expected.push("403");
        }
        for status in expected {
            assert!(has(status), "{method} {path} lacks {status}");
        }
        if operation["responses"].get("201").is_some() {
            let headers = resolve(&operation["responses"]["201"])["headers"].as_object();
            assert!(
                headers.is_some_and(|headers| headers.contains_key("Location")),
                "{method} {path}: 201 without Location"
            );
        }
        if method == "delete" && path.starts_with("/public-api") {
            assert!(has("204"), "{method} {path}");
        }
    }
}

#[test]
fn every_kind_of_problem_is_one_code_one_page_and_part_of_the_schema() {
    let mut codes = BTreeMap::new();
    for kind in routes::problems() {
        let fits = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
        };
        assert!(fits(kind.code), "{}", kind.code);
        assert!(codes.insert(kind.code, kind).is_none(), "{} is declared twice", kind.code);
        assert!(kind.help.len() > 20 && !kind.title.ends_with('.'), "{}", kind.code);
    }
    let listed = document()["components"]["schemas"]["Problem"]["properties"]["code"]["enum"].as_array().unwrap();
    let listed: BTreeSet<&str> =
        listed.iter().map(|code| code.as_str().unwrap()).filter(|code| *code != "HTTP_ERROR").collect();
    assert_eq!(listed, codes.into_keys().collect());
}

#[test]
fn every_kind_of_problem_that_is_declared_is_listed() {
    let mut declared = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
            for (at, _) in code.match_indices(": Kind = Kind::new(") {
                let name = code[..at].rsplit(' ').next().unwrap();
                if !name.starts_with('$') {
                    declared.insert(name.to_owned());
                }
            }
        }
    }
    let listed: BTreeSet<String> = routes::problems().iter().map(|kind| kind.code.to_owned()).collect();
    assert!(declared.len() > 10);
    assert_eq!(declared.difference(&listed).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn the_document_is_of_version_3_1_and_about_this_version() {
    assert_eq!(document()["openapi"], "3.1.0");
    assert_eq!(document()["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert!(document()["info"]["description"].as_str().is_some_and(|text| text.len() > 100));
}

#[test]
fn the_swagger_ui_asks_no_other_host() {
    crate::kit::block_on(async {
        let app = TestApp::start(Database::sqlite()).await;
        for file in ["", "index.css", "swagger-initializer.js", "oauth2-redirect.html", "swagger-ui.css"] {
            let text = app.get(&format!("/swagger-ui/{file}")).send().await;
            assert_eq!(text.status, 200, "{file}");
            let text = text.text();
            for far in ["src=\"http", "href=\"http", "src=\"//", "url(http", "url(\"http", "url(//", "@import"] {
                assert!(!text.contains(far), "{file}: {far}");
            }
        }
        let start = app.get("/swagger-ui/swagger-initializer.js").send().await.text();
        assert!(!start.contains("://"), "{start}");
        let validator = start.split("\"validatorUrl\":").nth(1).map(str::trim_start);
        assert!(
            validator.is_some_and(|value| value.starts_with("\"none\"")),
            "else it asks validator.swagger.io: {start}"
        );
        let policy = app.get("/swagger-ui/").send().await;
        assert!(!policy.header("content-security-policy").unwrap().contains("http"));
        app.stop().await;
    });
}
