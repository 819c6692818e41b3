//! `SUM` has the type of its argument and wraps around in it; of a DECIMAL it has the most digits.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray,
};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float32Type, Int8Type, Int16Type, Int32Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::sum::Sum;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};

/// DataFusion's sum, and that of the types which it would widen.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct FlinkSum {
    other: Sum,
    signature: Signature,
}

impl Default for FlinkSum {
    fn default() -> Self {
        Self {
            other: Sum::new(),
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

/// Whether DataFusion would widen it.
const fn is_narrow(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Float32
    )
}

/// A narrow type's accumulator.
macro_rules! narrow {
    ($data_type:expr, $accumulator:ident) => {
        match $data_type {
            DataType::Int8 => Box::new($accumulator::<Int8Type>::default()),
            DataType::Int16 => Box::new($accumulator::<Int16Type>::default()),
            DataType::Int32 => Box::new($accumulator::<Int32Type>::default()),
            _ => Box::new($accumulator::<Float32Type>::default()),
        }
    };
}

impl AggregateUDFImpl for FlinkSum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [one] if is_narrow(one) => Ok(types.to_vec()),
            [DataType::Decimal128(_, scale)] => Ok(vec![DataType::Decimal128(38, *scale)]),
            _ => datafusion::logical_expr::type_coercion::functions::fields_with_udf(
                &types
                    .iter()
                    .map(|t| Arc::new(Field::new("x", t.clone(), true)))
                    .collect::<Vec<FieldRef>>(),
                &AggregateUDF::from(Sum::new()),
            )
            .map(|fields| fields.iter().map(|f| f.data_type().clone()).collect()),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [one] if is_narrow(one) => Ok(one.clone()),
            _ => self.other.return_type(types),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        if !is_narrow(args.return_field.data_type()) || args.is_distinct {
            return self.other.state_fields(args);
        }
        let name = format_state_name(args.name, "sum");
        Ok(vec![Arc::new(Field::new(
            name,
            args.return_field.data_type().clone(),
            true,
        ))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let data_type = args.return_field.data_type();
        if !is_narrow(data_type) {
            return self.other.accumulator(args);
        }
        Ok(if args.is_distinct {
            narrow!(data_type, Distinct)
        } else {
            narrow!(data_type, Single)
        })
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        let data_type = args.return_field.data_type();
        if !is_narrow(data_type) {
            return self.other.create_groups_accumulator(args);
        }
        Ok(narrow!(data_type, Groups))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if is_narrow(args.return_field.data_type()) {
            self.accumulator(args)
        } else {
            self.other.create_sliding_accumulator(args)
        }
    }
}

fn scalar<T: ArrowPrimitiveType>(sum: Option<T::Native>) -> Result<ScalarValue> {
    ScalarValue::new_primitive::<T>(sum, &T::DATA_TYPE)
}

/// One sum.
#[derive(Debug)]
struct Single<T: ArrowPrimitiveType> {
    sum: Option<T::Native>,
    /// How many values are in it: a sum of none is NULL.
    count: i64,
}

impl<T: ArrowPrimitiveType> Default for Single<T> {
    fn default() -> Self {
        Self { sum: None, count: 0 }
    }
}

impl<T: ArrowPrimitiveType<Native: ArrowNativeTypeOp>> Single<T> {
    fn add(&mut self, values: &ArrayRef, sign: i64) {
        for value in values.as_primitive::<T>().iter().flatten() {
            let sum = self.sum.unwrap_or(T::Native::ZERO);
            self.sum = Some(if sign > 0 {
                sum.add_wrapping(value)
            } else {
                sum.sub_wrapping(value)
            });
            self.count += sign;
        }
    }
}

impl<T: ArrowPrimitiveType<Native: ArrowNativeTypeOp> + Debug> Accumulator for Single<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(&values[0], 1);
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(&values[0], -1);
        if self.count == 0 {
            self.sum = None;
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        scalar::<T>(self.sum)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![scalar::<T>(self.sum)?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// A number in a total order.
#[derive(Debug, Clone, Copy)]
struct Ordered<N>(N);

impl<N: ArrowNativeTypeOp> PartialEq for Ordered<N> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<N: ArrowNativeTypeOp> Eq for Ordered<N> {}

impl<N: ArrowNativeTypeOp> PartialOrd for Ordered<N> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<N: ArrowNativeTypeOp> Ord for Ordered<N> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.compare(other.0)
    }
}

/// `SUM(DISTINCT x)`.
#[derive(Debug)]
struct Distinct<T: ArrowPrimitiveType<Native: ArrowNativeTypeOp>> {
    values: BTreeSet<Ordered<T::Native>>,
}

impl<T: ArrowPrimitiveType<Native: ArrowNativeTypeOp>> Default for Distinct<T> {
    fn default() -> Self {
        Self {
            values: BTreeSet::new(),
        }
    }
}

impl<T: ArrowPrimitiveType<Native: ArrowNativeTypeOp> + Debug> Accumulator for Distinct<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = values[0].as_primitive::<T>().iter().flatten();
        self.values.extend(values.map(Ordered));
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = self
            .values
            .iter()
            .map(|value| value.0)
            .reduce(ArrowNativeTypeOp::add_wrapping);
        scalar::<T>(sum)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values: Vec<ScalarValue> = self
            .values
            .iter()
            .map(|value| scalar::<T>(Some(value.0)))
            .collect::<Result<_>>()?;
        Ok(vec![ScalarValue::List(ScalarValue::new_list_nullable(
            &values,
            &T::DATA_TYPE,
        ))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for list in states[0].as_list::<i32>().iter().flatten() {
            self.update_batch(&[list])?;
        }
        Ok(())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.len() * 2 * size_of::<T::Native>()
    }
}

/// The sums of many groups.
struct Groups<T: ArrowPrimitiveType> {
    sums: Vec<Option<T::Native>>,
}

impl<T: ArrowPrimitiveType> Default for Groups<T> {
    fn default() -> Self {
        Self { sums: Vec::new() }
    }
}

impl<T: ArrowPrimitiveType<Native: ArrowNativeTypeOp>> GroupsAccumulator for Groups<T> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        wanted: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.sums.resize(total, None);
        let values = values[0].as_primitive::<T>();
        for (row, group) in groups.iter().enumerate() {
            let taken = wanted.is_none_or(|wanted| wanted.is_valid(row) && wanted.value(row));
            if taken && values.is_valid(row) {
                let sum = &mut self.sums[*group];
                *sum = Some(sum.unwrap_or(T::Native::ZERO).add_wrapping(values.value(row)));
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sums = emit_to.take_needed(&mut self.sums);
        Ok(Arc::new(sums.into_iter().collect::<PrimitiveArray<T>>()))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(emit_to)?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.update_batch(states, groups, None, total)
    }

    fn convert_to_state(&self, values: &[ArrayRef], wanted: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let values = values[0].as_primitive::<T>();
        let taken = |row: usize| wanted.is_none_or(|wanted| wanted.is_valid(row) && wanted.value(row));
        let states = values
            .iter()
            .enumerate()
            .map(|(row, value)| value.filter(|_| taken(row)));
        Ok(vec![Arc::new(states.collect::<PrimitiveArray<T>>())])
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<Option<T::Native>>()
    }
}
