//! Literals and calls in the form in which the planner takes them.

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, CeilFloorKind, CharacterLength, DataType, DateTimeField, ExactNumberInfo, Expr,
    Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName, TimezoneInfo,
    TypedString, UnaryOperator, Value, ValueWithSpan, WindowFrameBound, WindowType,
};

/// Functions that are a part of a time.
const PARTS: [(&str, &str); 10] = [
    ("year", "YEAR"),
    ("quarter", "QUARTER"),
    ("month", "MONTH"),
    ("week", "WEEK"),
    ("dayofyear", "DOY"),
    ("dayofmonth", "DAY"),
    ("dayofweek", "DOW"),
    ("hour", "HOUR"),
    ("minute", "MINUTE"),
    ("second", "SECOND"),
];

/// Functions over a window that count: in a BIGINT.
const RANKS: [&str; 4] = ["row_number", "rank", "dense_rank", "ntile"];

/// What is to stand in the place of an expression whose parts have been put right.
pub(super) fn better(expr: &mut Expr) -> Option<Expr> {
    match expr {
        Expr::Function(function) => called(function),
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => number_literal(number),
            _ => None,
        },
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } if matches!(&**expr, Expr::Value(value) if matches!(&value.value, Value::Number(n, _) if n == LEAST_INT)) => {
            Some(cast(text("-2147483648"), DataType::Int(None)))
        }
        Expr::Like {
            any: false,
            pattern,
            escape_char,
            ..
        } => {
            escaped(pattern, escape_char);
            None
        }
        Expr::SimilarTo {
            negated,
            expr,
            pattern,
            escape_char: None,
        } => {
            let similar = call("similar_to", vec![*expr.clone(), *pattern.clone()]);
            Some(match negated {
                true => Expr::UnaryOp {
                    op: UnaryOperator::Not,
                    expr: Box::new(similar),
                },
                false => similar,
            })
        }
        // A literal has the digits that are written, filled up to those of a type that there is.
        Expr::TypedString(TypedString { data_type, value, .. }) => {
            let digits = value.value.clone().into_string().map_or(0, |text| fraction(&text));
            match data_type {
                DataType::Timestamp(precision @ None, TimezoneInfo::None) => {
                    *precision = Some(digits.div_ceil(3).min(3) * 3);
                }
                DataType::Time(precision @ None, TimezoneInfo::None) => {
                    *precision = Some(digits.div_ceil(3).min(1) * 3);
                }
                _ => {}
            }
            None
        }
        Expr::Cast {
            kind,
            expr,
            data_type,
            array: false,
            ..
        } => sized(kind, expr, data_type),
        Expr::Floor {
            expr,
            field: CeilFloorKind::DateTimeField(field),
        } if *field != DateTimeField::NoDateTime => Some(call("floor_to", vec![*expr.clone(), unit(field)])),
        Expr::Ceil {
            expr,
            field: CeilFloorKind::DateTimeField(field),
        } if *field != DateTimeField::NoDateTime => Some(call("ceil_to", vec![*expr.clone(), unit(field)])),
        Expr::Extract { field, expr, .. } => Some(call("extract", vec![unit(field), *expr.clone()])),
        Expr::Position { expr, r#in } => Some(call("position", vec![*expr.clone(), *r#in.clone()])),
        Expr::Substring {
            expr,
            substring_from,
            substring_for,
            ..
        } => {
            let from = match (&substring_from, &substring_for) {
                (None, Some(_)) => Some(Box::new(Expr::Value(Value::Number("1".to_owned(), false).into()))),
                _ => substring_from.clone(),
            };
            let rest = [from, substring_for.clone()].into_iter().flatten().map(|e| *e);
            Some(call("substr", std::iter::once(*expr.clone()).chain(rest).collect()))
        }
        _ => None,
    }
}

/// A backslash in a pattern is one, and another character escapes if the statement says so: DataFusion's LIKE takes the
/// backslash for it.
fn escaped(pattern: &mut Box<Expr>, escape: &mut Option<ValueWithSpan>) {
    let literal = match &**pattern {
        Expr::Value(value) => value.value.clone().into_string(),
        _ => None,
    };
    let with = match &escape {
        None => None,
        Some(value) => match value.value.clone().into_string() {
            Some(one) if one.chars().count() == 1 => one.chars().next(),
            // The planner says what is wrong with it.
            _ => return,
        },
    };
    match (literal, with) {
        (Some(literal), with) => {
            let mut out = String::with_capacity(literal.len());
            for ch in literal.chars() {
                match ch {
                    ch if Some(ch) == with => out.push('\\'),
                    '\\' => out.push_str("\\\\"),
                    ch => out.push(ch),
                }
            }
            **pattern = text(&out);
            *escape = None;
        }
        (None, None) => {
            let old = std::mem::replace(&mut **pattern, Expr::Wildcard(AttachedToken::empty()));
            **pattern = call("replace", vec![old, text("\\"), text("\\\\")]);
        }
        (None, Some(_)) => {}
    }
}

/// How many digits stand behind the point of the seconds.
fn fraction(text: &str) -> u64 {
    text.split_once('.').map_or(0, |(_, digits)| {
        digits.chars().take_while(char::is_ascii_digit).count() as u64
    })
}

/// An integer that fits is an INT, a number with a point a DECIMAL of the digits that are written, one with an exponent a
/// DOUBLE.
fn number_literal(number: &str) -> Option<Expr> {
    if number.contains(['e', 'E']) {
        return Some(cast(text(number), DataType::DoublePrecision));
    }
    if let Some((whole, fraction)) = number.split_once('.') {
        let precision = whole.len() + fraction.len();
        let scale = i64::try_from(fraction.len()).ok()?;
        let info = ExactNumberInfo::PrecisionAndScale(u64::try_from(precision).ok()?, scale);
        return (1..=38)
            .contains(&precision)
            .then(|| cast(text(number), DataType::Decimal(info)));
    }
    if number.parse::<i32>().is_ok() {
        let number = Expr::Value(Value::Number(number.to_owned(), false).into());
        return Some(cast(number, DataType::Int(None)));
    }
    // What does not fit is said to be none.
    match number.parse::<i64>() {
        Ok(_) => None,
        Err(_) => Some(cast(text(number), DataType::BigInt(None))),
    }
}

/// The number whose magnitude alone is no INT.
const LEAST_INT: &str = "2147483648";

/// Takes back that an integer is an INT: where the planner wants the digits themselves, as in `LIMIT 1`.
pub(super) fn plain(expr: &mut Expr) {
    if let Expr::UnaryOp {
        op: UnaryOperator::Minus,
        expr,
    } = expr
    {
        plain(expr);
    }
    if let Expr::Cast {
        expr: inner,
        data_type: DataType::Int(None),
        ..
    } = expr
        && matches!(&**inner, Expr::Value(value) if matches!(value.value, Value::Number(..)))
    {
        let number = std::mem::replace(&mut **inner, Expr::Wildcard(AttachedToken::empty()));
        *expr = number;
    }
}

/// CHAR and VARCHAR cut off what is too long, and CHAR fills up with blanks.
fn sized(kind: &CastKind, expr: &Expr, data_type: &DataType) -> Option<Expr> {
    let (name, length) = match data_type {
        DataType::Char(length) | DataType::Character(length) => ("char", length),
        DataType::Varchar(length) | DataType::CharVarying(length) | DataType::CharacterVarying(length) => {
            ("varchar", length)
        }
        _ => return None,
    };
    let length = match length {
        Some(CharacterLength::IntegerLength { length, .. }) => *length,
        // The planner says what is wrong with it.
        Some(CharacterLength::Max) => return None,
        None if name == "varchar" => return None,
        None => 1,
    };
    let string = Expr::Cast {
        kind: kind.clone(),
        expr: Box::new(expr.clone()),
        data_type: DataType::String(None),
        array: false,
        format: None,
    };
    let length = Expr::Value(Value::Number(length.to_string(), false).into());
    Some(call(name, vec![string, length]))
}

fn called(function: &mut Function) -> Option<Expr> {
    let [part] = function.name.0.as_slice() else {
        return None;
    };
    let name = part.as_ident()?.value.to_lowercase();
    if let Some(WindowType::WindowSpec(window)) = &mut function.over
        && let Some(frame) = &mut window.window_frame
    {
        for bound in std::iter::once(&mut frame.start_bound).chain(frame.end_bound.as_mut()) {
            if let WindowFrameBound::Preceding(Some(rows)) | WindowFrameBound::Following(Some(rows)) = bound {
                plain(rows);
            }
        }
    }
    if function.over.is_some() && RANKS.contains(&name.as_str()) {
        return Some(cast(Expr::Function(function.clone()), DataType::BigInt(None)));
    }
    let mut arguments = arguments(function)?;
    match (name.as_str(), arguments.as_mut_slice()) {
        ("if", [condition, yes, no]) => Some(case(condition, yes, Some(no))),
        ("mod", [a, b]) => {
            let nested = |expr: &Expr| Box::new(Expr::Nested(Box::new(expr.clone())));
            Some(Expr::Nested(Box::new(Expr::BinaryOp {
                left: nested(a),
                op: BinaryOperator::Modulo,
                right: nested(b),
            })))
        }
        // NULL if one is NULL: DataFusion's pass over it.
        ("greatest" | "least", all @ [_, _, ..]) => {
            let known = all
                .iter()
                .map(|expr| Expr::IsNotNull(Box::new(Expr::Nested(Box::new((**expr).clone())))))
                .reduce(|a, b| Expr::BinaryOp {
                    left: Box::new(a),
                    op: BinaryOperator::And,
                    right: Box::new(b),
                })?;
            let own = call(&name, all.iter().map(|expr| (**expr).clone()).collect());
            Some(case(&known, &own, None))
        }
        // Of whatever is never NULL it counts the rows, as of `*`.
        ("count", [one]) => {
            plain(one);
            None
        }
        ("cardinality", [list]) => Some(cast(call("cardinality", vec![list.clone()]), DataType::Int(None))),
        ("round" | "truncate", [_, digits]) => {
            plain(digits);
            None
        }
        ("timestampdiff" | "timestampadd", [unit, ..]) => {
            if let Expr::Identifier(word) = unit {
                let word = word.value.to_uppercase();
                **unit = text(word.strip_prefix("SQL_TSI_").unwrap_or(&word));
            }
            None
        }
        ("unix_timestamp", read @ [_, ..]) => {
            let read = read.iter().map(|expr| (**expr).clone()).collect();
            let instant = DataType::Custom(
                ObjectName::from(vec![Ident::new("TIMESTAMP_LTZ")]),
                vec!["3".to_owned()],
            );
            Some(call("unix_seconds", vec![cast(call("to_timestamp", read), instant)]))
        }
        ("from_unixtime", [seconds, format @ ..]) => {
            let format = format
                .first()
                .map_or_else(|| text("yyyy-MM-dd HH:mm:ss"), |format| (**format).clone());
            let instant = call(
                "to_timestamp_ltz",
                vec![seconds.clone(), cast(text("0"), DataType::Int(None))],
            );
            let local = cast(instant, DataType::Timestamp(Some(0), TimezoneInfo::None));
            Some(call("date_format", vec![local, format]))
        }
        (name, [time]) => {
            let (_, part) = PARTS.iter().find(|(known, _)| *known == name)?;
            Some(call("extract", vec![text(part), time.clone()]))
        }
        _ => None,
    }
}

/// The arguments, if they are all plain expressions.
fn arguments(function: &mut Function) -> Option<Vec<&mut Expr>> {
    let FunctionArguments::List(list) = &mut function.args else {
        return None;
    };
    list.args
        .iter_mut()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
            _ => None,
        })
        .collect()
}

/// A call of that function.
fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args
        .into_iter()
        .map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)))
        .collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(expr),
        data_type,
        array: false,
        format: None,
    }
}

fn text(text: &str) -> Expr {
    Expr::Value(Value::SingleQuotedString(text.to_owned()).into())
}

fn unit(field: &DateTimeField) -> Expr {
    text(&field.to_string().to_uppercase())
}

fn case(condition: &Expr, yes: &Expr, no: Option<&Expr>) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen {
            condition: condition.clone(),
            result: yes.clone(),
        }],
        else_result: no.map(|no| Box::new(no.clone())),
    }
}
