//! One operation of the document: a route.

use super::schemas::{Property, Schema, Schemas};
use crate::json::{push, push_string};
use crate::model::Model;
use crate::routing::{Route, Segment};

/// What a route takes and answers, as OpenAPI tells it. Extractors and answers
/// add to it in their `describe`.
#[derive(Debug)]
pub struct Operation {
    route: &'static Route,
    parameters: Vec<(Place, Property)>,
    body: Vec<(String, Option<Schema>)>,
    takes_no_body: bool,
    answers: Vec<Answer>,
    security: Vec<(String, String)>,
    schemas: Schemas,
    /// What changes the answers when all are told. A pointer: who has none
    /// contains none.
    finish: Option<fn(&mut Operation)>,
}

/// Where a parameter stands in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A segment of the path.
    Path,
    /// The query.
    Query,
    /// A header field.
    Header,
    /// A cookie.
    Cookie,
}

#[derive(Debug)]
struct Answer {
    /// `None` is every status that is not listed.
    status: Option<u16>,
    description: String,
    /// Several for one media type are alternatives.
    content: Vec<(String, Option<Schema>)>,
}

const DETAIL: &str =
    r#"{"type":"object","properties":{"detail":{"type":"string"}},"required":["detail"]}"#;

/// The names and the form are FastAPI's; pydantic's newer members are there
/// too.
const INVALID: &str = r##"{"type":"object","title":"HTTPValidationError","properties":{"detail":{"type":"array","title":"Detail","items":{"$ref":"#/components/schemas/ValidationError"}}}}"##;
const PROBLEM: &str = r#"{"type":"object","title":"ValidationError","required":["loc","msg","type"],"properties":{"loc":{"type":"array","title":"Location","items":{"anyOf":[{"type":"string"},{"type":"integer"}]}},"msg":{"type":"string","title":"Message"},"type":{"type":"string","title":"Error Type"},"input":{"title":"Input"},"ctx":{"type":"object","title":"Context"}}}"#;

/// RFC 9457, and the list of a 422's problems.
const PROBLEM_DETAILS: &str = r##"{"type":"object","title":"ProblemDetails","required":["type","title","status"],"properties":{"type":{"type":"string","format":"uri-reference"},"title":{"type":"string"},"status":{"type":"integer"},"detail":{"type":"string"},"errors":{"type":"array","items":{"$ref":"#/components/schemas/ValidationError"}}}}"##;

impl Operation {
    pub(super) fn new(route: &'static Route, schemas: Schemas) -> Self {
        Operation {
            route,
            parameters: Vec::new(),
            body: Vec::new(),
            takes_no_body: false,
            answers: Vec::new(),
            security: Vec::new(),
            schemas,
            finish: None,
        }
    }

    /// The route that is described.
    #[must_use]
    pub fn route(&self) -> &'static Route {
        self.route
    }

    /// The schema of a model.
    pub fn schema<T: Model + ?Sized>(&mut self) -> Schema {
        T::schema(&mut self.schemas)
    }

    /// The document's schemas.
    pub fn schemas(&mut self) -> &mut Schemas {
        &mut self.schemas
    }

    /// A parameter. One that is told twice counts once.
    pub fn parameter(&mut self, place: Place, parameter: Property) {
        let known = |(at, known): &(Place, Property)| *at == place && known.name == parameter.name;
        if !self.parameters.iter().any(known) {
            self.parameters.push((place, parameter));
        }
    }

    /// Every field of a model as a parameter.
    pub fn parameters<T: Model>(&mut self, place: Place) {
        for property in T::properties(&mut self.schemas) {
            self.parameter(place, property);
        }
    }

    /// The path's parameters: the fields of a struct, the members of a tuple,
    /// or one value.
    pub fn path_parameters<T: Model>(&mut self) {
        let properties = T::properties(&mut self.schemas);
        if !properties.is_empty() {
            for property in properties {
                self.parameter(Place::Path, property);
            }
            return;
        }
        let schemas = T::members(&mut self.schemas);
        let names = self
            .route
            .segments
            .iter()
            .filter_map(|segment| match segment {
                Segment::Literal(_) => None,
                Segment::Param(name) | Segment::Rest(name) => Some(*name),
            });
        for (name, schema) in names.zip(schemas) {
            let parameter = Property {
                name: name.to_owned(),
                required: true,
                schema,
                description: String::new(),
            };
            self.parameter(Place::Path, parameter);
        }
    }

    /// A request body of this media type; `None` is one without a schema. Told
    /// twice, either is taken.
    pub fn body(&mut self, content_type: &str, schema: Option<Schema>) {
        self.body.push((content_type.to_owned(), schema));
    }

    /// A request without a body is as good.
    pub fn optional_body(&mut self) {
        self.takes_no_body = true;
    }

    /// The status of an answer that does not name its own: that of the route's
    /// `status = …`, else 200.
    #[must_use]
    pub fn success(&self) -> u16 {
        self.route.status.unwrap_or(200)
    }

    /// The answer of a request that went well: its media type and its schema.
    pub fn success_of(&mut self, content_type: &str, schema: Option<Schema>) {
        let status = self.success();
        self.answer(status, "Successful Response", Some((content_type, schema)));
    }

    /// An answer: its status, what it means (CommonMark), and its media type
    /// with its schema. Told twice for one status, either is answered.
    pub fn answer(
        &mut self,
        status: u16,
        description: &str,
        content: Option<(&str, Option<Schema>)>,
    ) {
        self.add_answer(Some(status), description, content);
    }

    /// An answer of any status that is not told otherwise.
    pub fn other_answers(&mut self, description: &str, content: Option<(&str, Option<Schema>)>) {
        self.add_answer(None, description, content);
    }

    /// Errors as [`HttpError`](crate::HttpError) writes them, of this status;
    /// `None` is any that is not told otherwise.
    pub fn http_error(&mut self, status: Option<u16>, description: &str) {
        let schema = self.schemas.fixed("HTTPError", DETAIL);
        self.add_answer(
            status,
            description,
            Some(("application/json", Some(schema))),
        );
    }

    /// The route checks its request: a 422 that lists every problem.
    pub fn invalid(&mut self) {
        if self.answers.iter().any(|known| known.status == Some(422)) {
            return;
        }
        self.schemas.fixed("ValidationError", PROBLEM);
        let schema = self.schemas.fixed("HTTPValidationError", INVALID);
        let content = Some(("application/json", Some(schema)));
        self.answer(422, "Validation Error", content);
    }

    /// The route asks for credentials: a security scheme's name in the
    /// document, and the scheme itself as JSON text.
    pub fn security(&mut self, name: &str, scheme: &str) {
        if self.security.iter().all(|(known, _)| known != name) {
            self.security.push((name.to_owned(), scheme.to_owned()));
        }
    }

    /// Errors of the SDK's own form are written as problem details instead.
    pub(crate) fn tell_problem_details(&mut self) {
        self.finish = Some(|operation| {
            operation.schemas.fixed("ValidationError", PROBLEM);
            let schema = operation.schemas.fixed("ProblemDetails", PROBLEM_DETAILS);
            let own = ["HTTPError\"", "HTTPValidationError\""];
            for answer in &mut operation.answers {
                for (media, known) in &mut answer.content {
                    let text = known.as_ref().map_or("", Schema::as_str);
                    if own.iter().any(|own| text.contains(own)) {
                        *media = "application/problem+json".to_owned();
                        *known = Some(schema.clone());
                    }
                }
            }
        });
    }

    fn add_answer(
        &mut self,
        status: Option<u16>,
        description: &str,
        content: Option<(&str, Option<Schema>)>,
    ) {
        let content = content.map(|(media, schema)| (media.to_owned(), schema));
        match self.answers.iter_mut().find(|known| known.status == status) {
            Some(known) => {
                if known.description != description {
                    push(&mut known.description, " / ");
                    push(&mut known.description, description);
                }
                known.content.extend(content);
            }
            None => {
                // `default` stands last.
                let rank = |status: Option<u16>| status.unwrap_or(u16::MAX);
                let answers = &mut self.answers;
                let place = answers.partition_point(|known| rank(known.status) < rank(status));
                let answer = Answer {
                    status,
                    description: description.to_owned(),
                    content: content.into_iter().collect(),
                };
                answers.insert(place, answer);
            }
        }
    }

    /// Writes the operation object; gives back the schemas, and the security
    /// schemes that it names.
    pub(super) fn write(mut self, id: &str, out: &mut String) -> (Schemas, Vec<(String, String)>) {
        let route = self.route;
        push(out, "{");
        if !route.tags.is_empty() {
            push(out, "\"tags\":[");
            separated(out, route.tags, |out, tag| push_string(out, tag));
            push(out, "],");
        }
        push(out, "\"summary\":");
        push_string(out, route.summary);
        if !route.description.is_empty() {
            push(out, ",\"description\":");
            push_string(out, route.description);
        }
        push(out, ",\"operationId\":");
        push_string(out, id);
        if !self.parameters.is_empty() {
            push(out, ",\"parameters\":[");
            separated(out, &self.parameters, |out, (place, parameter)| {
                push_parameter(out, *place, parameter);
            });
            push(out, "]");
        }
        if !self.body.is_empty() {
            push(out, ",\"requestBody\":{\"required\":");
            push(
                out,
                if self.takes_no_body {
                    "false,"
                } else {
                    "true,"
                },
            );
            push_content(out, &self.body);
            push(out, "}");
        }
        if self.answers.is_empty() {
            let status = self.success();
            self.answer(status, "Successful Response", None);
        }
        if let Some(finish) = self.finish {
            finish(&mut self);
        }
        push(out, ",\"responses\":{");
        separated(out, &self.answers, push_answer);
        push(out, "}");
        if !self.security.is_empty() {
            // All of them: one requirement with every name.
            push(out, ",\"security\":[{");
            separated(out, &self.security, |out, (name, _)| {
                push_string(out, name);
                push(out, ":[]");
            });
            push(out, "}]");
        }
        if route.deprecated {
            push(out, ",\"deprecated\":true");
        }
        push(out, "}");
        (self.schemas, self.security)
    }
}

fn push_parameter(out: &mut String, place: Place, parameter: &Property) {
    let place = match place {
        Place::Path => "path",
        Place::Query => "query",
        Place::Header => "header",
        Place::Cookie => "cookie",
    };
    push(out, "{\"name\":");
    push_string(out, &parameter.name);
    push(out, ",\"in\":\"");
    push(out, place);
    push(out, "\",\"required\":");
    let required = parameter.required || place == "path";
    push(out, if required { "true" } else { "false" });
    if !parameter.description.is_empty() {
        push(out, ",\"description\":");
        push_string(out, &parameter.description);
    }
    push(out, ",\"schema\":");
    push(out, parameter.schema.as_str());
    push(out, "}");
}

fn push_answer(out: &mut String, answer: &Answer) {
    match answer.status {
        Some(status) => push_string(out, &status.to_string()),
        None => push(out, "\"default\""),
    }
    push(out, ":{\"description\":");
    push_string(out, &answer.description);
    if !answer.content.is_empty() {
        push(out, ",");
        push_content(out, &answer.content);
    }
    push(out, "}");
}

/// `"content": {…}`: for each media type its schemas, as alternatives if they
/// are several.
fn push_content(out: &mut String, content: &[(String, Option<Schema>)]) {
    let mut types: Vec<(&str, Vec<&str>)> = Vec::new();
    for (media, schema) in content {
        let schema = schema.as_ref().map_or("{}", Schema::as_str);
        match types.iter_mut().find(|(known, _)| known == media) {
            Some((_, schemas)) if schemas.contains(&schema) => {}
            Some((_, schemas)) => schemas.push(schema),
            None => types.push((media, vec![schema])),
        }
    }
    push(out, "\"content\":{");
    separated(out, &types, |out, (media, schemas)| {
        push_string(out, media);
        push(out, ":{\"schema\":");
        match schemas.as_slice() {
            [one] => push(out, one),
            several => {
                push(out, "{\"anyOf\":[");
                separated(out, several, |out, schema| push(out, schema));
                push(out, "]}");
            }
        }
        push(out, "}");
    });
    push(out, "}");
}

/// Writes all of them, with commas between.
pub(super) fn separated<T>(out: &mut String, all: &[T], mut one: impl FnMut(&mut String, &T)) {
    for (index, item) in all.iter().enumerate() {
        if index > 0 {
            push(out, ",");
        }
        one(out, item);
    }
}
