//! The table as OpenAPI schemas, so that the description cannot promise what
//! the checks refuse.

use serde_json::{Value, json};
use utoipa::Number;
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, Object, ObjectBuilder, OneOfBuilder, Type,
};
use utoipa::openapi::{RefOr, Schema};

use super::{Constant, Decision, Field, Shape, Variant};

/// The schema of a request body.
pub(crate) fn schema(fields: &[Field]) -> RefOr<Schema> {
    RefOr::T(object(fields, None).into())
}

fn object(fields: &[Field], tag: Option<(&str, &str)>) -> Object {
    let mut object = ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    if let Some((tag, value)) = tag {
        let constant = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([value]));
        object = object.property(tag, constant).required(tag);
    }
    for field in fields {
        object = object.property(field.name, RefOr::T(property(field)));
        if field.required {
            object = object.required(field.name);
        }
    }
    object.build()
}

fn property(field: &Field) -> Schema {
    let text = match field.decision {
        Decision::Guarded(why) => format!("Guarded: {why}."),
        Decision::Constrained(why) => format!("Constrained: {why}."),
        Decision::Harmless(why) => format!("Harmless, without effect: {why}."),
    };
    let mut schema = of_shape(&field.shape);
    match &mut schema {
        Schema::Object(object) => object.description = Some(text),
        Schema::Array(array) => array.description = Some(text),
        Schema::OneOf(one_of) => one_of.description = Some(text),
        _ => {}
    }
    schema
}

fn of_shape(shape: &Shape) -> Schema {
    let typed = |kind: Type| ObjectBuilder::new().schema_type(kind);
    match shape {
        Shape::Text { bytes_max, empty } => {
            // JSON Schema counts characters, of which there are at most as many as bytes.
            let length_max = (*bytes_max != usize::MAX).then_some(*bytes_max);
            let length_min = (!empty).then_some(1);
            typed(Type::String).max_length(length_max).min_length(length_min).into()
        }
        Shape::Boolean => typed(Type::Boolean).into(),
        Shape::Integer { min: i64::MIN, max: i64::MAX } => typed(Type::Integer).into(),
        Shape::Integer { min, max } => typed(Type::Integer)
            .minimum(Some(Number::Int(*min as isize)))
            .maximum(Some(Number::Int(*max as isize)))
            .into(),
        Shape::Number(range) => {
            let number = typed(Type::Number).maximum(Some(Number::Float(range.max)));
            let min = Some(Number::Float(range.min));
            if range.open { number.exclusive_minimum(min) } else { number.minimum(min) }.into()
        }
        Shape::Only(constants) => {
            let values = constants.iter().map(Constant::value).chain([Value::Null]);
            ObjectBuilder::new()
                .schema_type(utoipa::openapi::schema::SchemaType::AnyValue)
                .enum_values(Some(values.collect::<Vec<_>>()))
                .into()
        }
        Shape::Object(fields) => object(fields, None).into(),
        Shape::Opaque { entries_max } => {
            typed(Type::Object).max_properties(Some(*entries_max)).into()
        }
        Shape::TokenBias { entries_max } => typed(Type::Object)
            .max_properties(Some(*entries_max))
            .additional_properties(Some(AdditionalProperties::RefOr(RefOr::T(bias_value()))))
            .into(),
        Shape::List { of, items_min, items_max } => ArrayBuilder::new()
            .items(RefOr::T(of_shape(of)))
            .min_items(Some(*items_min))
            .max_items(Some(*items_max))
            .into(),
        Shape::Either(alternatives) => {
            let each = alternatives.iter().map(of_shape);
            each.fold(OneOfBuilder::new(), OneOfBuilder::item).into()
        }
        Shape::Variants { tag, of } => {
            let each = of.iter().filter_map(|variant| of_variant(tag, variant));
            each.fold(OneOfBuilder::new(), OneOfBuilder::item).into()
        }
    }
}

fn of_variant(tag: &str, variant: &Variant) -> Option<Schema> {
    let fields = variant.accepts.ok()?;
    Some(object(fields, Some((tag, variant.name))).into())
}

fn bias_value() -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::Number)
        .minimum(Some(Number::Float(-100.0)))
        .maximum(Some(Number::Float(100.0)))
        .into()
}

impl Constant {
    fn value(&self) -> Value {
        match self {
            Self::False => json!(false),
            Self::Zero => json!(0),
            Self::Text(text) => json!(text),
            Self::EmptyList => json!([]),
            Self::ListOf(text) => json!([text]),
            Self::Type(name) => json!({ "type": name }),
        }
    }
}
