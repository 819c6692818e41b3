//! `AVG` has the type of its argument: of integers the fraction is cut off. Of a DECIMAL it has the most digits, six of
//! them behind the point at least, and is rounded half up.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Int64Array, ListArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Int64Type};
use datafusion::common::{DataFusionError, Result, ScalarValue, exec_datafusion_err};
use datafusion::functions_aggregate::average::Avg;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};

/// DataFusion's average but for exact numbers and FLOAT.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Average {
    other: Avg,
    signature: Signature,
}

impl Default for Average {
    fn default() -> Self {
        Self {
            other: Avg::new(),
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for Average {
    fn name(&self) -> &'static str {
        "avg"
    }

    fn aliases(&self) -> &[String] {
        self.other.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [one] if one.is_signed_integer() => Ok(types.to_vec()),
            [one] if one.is_unsigned_integer() => Ok(vec![DataType::Int64]),
            [DataType::Float32] => Ok(types.to_vec()),
            [DataType::Decimal128(_, scale)] => Ok(vec![DataType::Decimal128(38, *scale)]),
            _ => datafusion::logical_expr::type_coercion::functions::fields_with_udf(
                &types
                    .iter()
                    .map(|t| Arc::new(Field::new("x", t.clone(), true)))
                    .collect::<Vec<FieldRef>>(),
                &AggregateUDF::from(Avg::new()),
            )
            .map(|fields| fields.iter().map(|f| f.data_type().clone()).collect()),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [one] if one.is_signed_integer() => Ok(one.clone()),
            [DataType::Float32] => Ok(DataType::Float32),
            [DataType::Decimal128(_, scale)] => Ok(DataType::Decimal128(38, (*scale).max(6))),
            _ => self.other.return_type(types),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let Some(exact) = Exact::new(args.input_fields, args.return_field.data_type()) else {
            return match args.return_field.data_type() {
                DataType::Float32 => self.other.state_fields(StateFieldsArgs {
                    return_field: double(),
                    input_fields: &[double()],
                    ..args
                }),
                _ => self.other.state_fields(args),
            };
        };
        if args.is_distinct {
            let item = Field::new_list_field(exact.sum_type(), true);
            let list = Field::new_list(format_state_name(args.name, "values"), item, true);
            return Ok(vec![Arc::new(list)]);
        }
        let part = |name: &str, data_type| Arc::new(Field::new(format_state_name(args.name, name), data_type, true));
        Ok(vec![part("sum", exact.sum_type()), part("count", DataType::Int64)])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let Some(exact) = Exact::new(args.expr_fields, args.return_field.data_type()) else {
            if args.return_field.data_type() != &DataType::Float32 {
                return self.other.accumulator(args);
            }
            let other = self.other.accumulator(as_double(&args, &[double()]))?;
            return Ok(Box::new(Narrowed(other)));
        };
        Ok(if args.is_distinct {
            Box::new(Distinct {
                exact,
                values: BTreeSet::new(),
            })
        } else {
            Box::new(Single {
                exact,
                sum: 0,
                count: 0,
            })
        })
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        match args.return_field.data_type() {
            DataType::Float32 => false,
            data_type if data_type.is_integer() || matches!(data_type, DataType::Decimal128(..)) => !args.is_distinct,
            _ => self.other.groups_accumulator_supported(args),
        }
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        match Exact::new(args.expr_fields, args.return_field.data_type()) {
            Some(exact) => Ok(Box::new(Groups {
                exact,
                sums: Vec::new(),
                counts: Vec::new(),
            })),
            None => self.other.create_groups_accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match args.return_field.data_type() {
            DataType::Float32 => {
                let other = self.other.create_sliding_accumulator(as_double(&args, &[double()]))?;
                Ok(Box::new(Narrowed(other)))
            }
            data_type if data_type.is_integer() || matches!(data_type, DataType::Decimal128(..)) => {
                self.accumulator(args)
            }
            _ => self.other.create_sliding_accumulator(args),
        }
    }
}

fn double() -> FieldRef {
    Arc::new(Field::new("x", DataType::Float64, true))
}

/// The arguments of an average of DOUBLE.
fn as_double<'a>(args: &AccumulatorArgs<'a>, fields: &'a [FieldRef]) -> AccumulatorArgs<'a> {
    AccumulatorArgs {
        return_field: double(),
        expr_fields: fields,
        ..args.clone()
    }
}

fn overflow() -> DataFusionError {
    exec_datafusion_err!("the sum of an AVG is out of range")
}

/// How an average of exact numbers is computed.
#[derive(Debug, Clone)]
enum Exact {
    /// Of integers of that type.
    Integer(DataType),
    /// Of a DECIMAL of that scale; the result has another one.
    Decimal { from: i8, to: i8 },
}

impl Exact {
    /// `None` for inexact numbers.
    fn new(given: &[FieldRef], result: &DataType) -> Option<Self> {
        match (given.first()?.data_type(), result) {
            (DataType::Decimal128(_, from), DataType::Decimal128(_, to)) => {
                Some(Self::Decimal { from: *from, to: *to })
            }
            (_, result) if result.is_integer() => Some(Self::Integer(result.clone())),
            _ => None,
        }
    }

    fn sum_type(&self) -> DataType {
        match self {
            Self::Integer(_) => DataType::Int64,
            Self::Decimal { from, .. } => DataType::Decimal128(38, *from),
        }
    }

    /// The values of an argument, or of sums, as whole numbers.
    fn numbers(&self, array: &ArrayRef) -> Result<Vec<Option<i128>>> {
        Ok(match self {
            Self::Integer(_) => {
                let array = cast(array, &DataType::Int64)?;
                let values = array.as_primitive::<Int64Type>();
                values.iter().map(|value| value.map(i128::from)).collect()
            }
            Self::Decimal { .. } => array.as_primitive::<Decimal128Type>().iter().collect(),
        })
    }

    /// Sums as a state holds them.
    fn sums(&self, sums: impl IntoIterator<Item = i128>) -> Result<ArrayRef> {
        Ok(match self {
            Self::Integer(_) => {
                let sums: Result<Vec<i64>> = sums
                    .into_iter()
                    .map(|sum| i64::try_from(sum).map_err(|_| overflow()))
                    .collect();
                Arc::new(Int64Array::from(sums?))
            }
            Self::Decimal { from, .. } => {
                Arc::new(Decimal128Array::from_iter_values(sums).with_precision_and_scale(38, *from)?)
            }
        })
    }

    /// Results: the sums divided by their counts.
    fn results(&self, sums: impl IntoIterator<Item = (i128, i64)>) -> Result<ArrayRef> {
        match self {
            Self::Integer(data_type) => {
                let averages: Result<Int64Array> = sums
                    .into_iter()
                    .map(|(sum, count)| {
                        let average = (count != 0).then(|| sum / i128::from(count));
                        average
                            .map(|value| i64::try_from(value).map_err(|_| overflow()))
                            .transpose()
                    })
                    .collect();
                Ok(cast(&averages?, data_type)?)
            }
            Self::Decimal { from, to } => {
                let up = 10_i128.pow(u32::try_from(to - from).unwrap_or(0));
                let averages: Result<Decimal128Array> = sums
                    .into_iter()
                    .map(|(sum, count)| {
                        if count == 0 {
                            return Ok(None);
                        }
                        let (sum, count) = (sum.checked_mul(up).ok_or_else(overflow)?, i128::from(count));
                        let (whole, rest) = (sum / count, sum % count);
                        let away = i128::from(2 * rest.abs() >= count) * sum.signum();
                        Ok(Some(whole + away))
                    })
                    .collect();
                Ok(Arc::new(averages?.with_precision_and_scale(38, *to)?))
            }
        }
    }
}

fn add(sum: &mut i128, value: i128) -> Result<()> {
    *sum = sum.checked_add(value).ok_or_else(overflow)?;
    Ok(())
}

/// One average.
#[derive(Debug)]
struct Single {
    exact: Exact,
    sum: i128,
    count: i64,
}

impl Accumulator for Single {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in self.exact.numbers(&values[0])?.into_iter().flatten() {
            add(&mut self.sum, value)?;
            self.count += 1;
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in self.exact.numbers(&values[0])?.into_iter().flatten() {
            add(&mut self.sum, -value)?;
            self.count -= 1;
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        ScalarValue::try_from_array(&self.exact.results([(self.sum, self.count)])?, 0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let sum = ScalarValue::try_from_array(&self.exact.sums([self.sum])?, 0)?;
        Ok(vec![sum, self.count.into()])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let counts = states[1].as_primitive::<Int64Type>();
        for (sum, count) in self.exact.numbers(&states[0])?.into_iter().zip(counts) {
            add(&mut self.sum, sum.unwrap_or(0))?;
            self.count += count.unwrap_or(0);
        }
        Ok(())
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// `AVG(DISTINCT x)`.
#[derive(Debug)]
struct Distinct {
    exact: Exact,
    values: BTreeSet<i128>,
}

impl Accumulator for Distinct {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.values
            .extend(self.exact.numbers(&values[0])?.into_iter().flatten());
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut sum = 0;
        for value in &self.values {
            add(&mut sum, *value)?;
        }
        let count = i64::try_from(self.values.len()).unwrap_or(i64::MAX);
        ScalarValue::try_from_array(&self.exact.results([(sum, count)])?, 0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = self.exact.sums(self.values.iter().copied())?;
        let field = Arc::new(Field::new_list_field(self.exact.sum_type(), true));
        let list = ListArray::new(field, OffsetBuffer::from_lengths([values.len()]), values, None);
        Ok(vec![ScalarValue::List(Arc::new(list))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for list in states[0].as_list::<i32>().iter().flatten() {
            self.values.extend(self.exact.numbers(&list)?.into_iter().flatten());
        }
        Ok(())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.len() * 2 * size_of::<i128>()
    }
}

/// An average of FLOAT: computed as DOUBLE.
#[derive(Debug)]
struct Narrowed(Box<dyn Accumulator>);

impl Narrowed {
    fn widened(values: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        let widen = |array: &ArrayRef| Ok(cast(array, &DataType::Float64)?);
        values.iter().map(widen).collect()
    }
}

impl Accumulator for Narrowed {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.update_batch(&Self::widened(values)?)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.retract_batch(&Self::widened(values)?)
    }

    fn supports_retract_batch(&self) -> bool {
        self.0.supports_retract_batch()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.0.evaluate()?.cast_to(&DataType::Float32)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.0.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.0.merge_batch(states)
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}

/// The averages of many groups.
struct Groups {
    exact: Exact,
    sums: Vec<i128>,
    counts: Vec<i64>,
}

impl Groups {
    fn grow(&mut self, groups: usize) {
        self.sums.resize(groups, 0);
        self.counts.resize(groups, 0);
    }
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        wanted: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.grow(total);
        let values = self.exact.numbers(&values[0])?;
        for (row, (group, value)) in groups.iter().zip(values).enumerate() {
            let taken = wanted.is_none_or(|wanted| wanted.is_valid(row) && wanted.value(row));
            if let Some(value) = value.filter(|_| taken) {
                add(&mut self.sums[*group], value)?;
                self.counts[*group] += 1;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sums = emit_to.take_needed(&mut self.sums);
        let counts = emit_to.take_needed(&mut self.counts);
        self.exact.results(sums.into_iter().zip(counts))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let sums = emit_to.take_needed(&mut self.sums);
        let counts = emit_to.take_needed(&mut self.counts);
        Ok(vec![self.exact.sums(sums)?, Arc::new(Int64Array::from(counts))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.grow(total);
        let counts = states[1].as_primitive::<Int64Type>();
        let states = self.exact.numbers(&states[0])?.into_iter().zip(counts);
        for (group, (sum, count)) in groups.iter().zip(states) {
            add(&mut self.sums[*group], sum.unwrap_or(0))?;
            self.counts[*group] += count.unwrap_or(0);
        }
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], wanted: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let values = self.exact.numbers(&values[0])?;
        let taken = |row: usize| wanted.is_none_or(|wanted| wanted.is_valid(row) && wanted.value(row));
        let values: Vec<Option<i128>> = values
            .into_iter()
            .enumerate()
            .map(|(row, value)| value.filter(|_| taken(row)))
            .collect();
        let counts: Int64Array = values.iter().map(|value| Some(i64::from(value.is_some()))).collect();
        let sums = self.exact.sums(values.into_iter().map(|value| value.unwrap_or(0)))?;
        Ok(vec![sums, Arc::new(counts)])
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<i128>() + self.counts.capacity() * size_of::<i64>()
    }
}
