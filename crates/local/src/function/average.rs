//! `AVG` of integers is an integer in Flink: the sum divided by the count, the fraction cut off.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::{DataFusionError, Result, ScalarValue, exec_datafusion_err};
use datafusion::functions_aggregate::average::Avg;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility};

/// DataFusion's average but for integers.
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
            _ => datafusion::logical_expr::type_coercion::functions::fields_with_udf(
                &types
                    .iter()
                    .map(|t| Arc::new(Field::new("x", t.clone(), true)))
                    .collect::<Vec<FieldRef>>(),
                &datafusion::logical_expr::AggregateUDF::from(Avg::new()),
            )
            .map(|fields| fields.iter().map(|f| f.data_type().clone()).collect()),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [one] if one.is_signed_integer() => Ok(one.clone()),
            _ => self.other.return_type(types),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        if !args.return_field.data_type().is_integer() {
            return self.other.state_fields(args);
        }
        if args.is_distinct {
            let item = Field::new_list_field(DataType::Int64, true);
            let list = Field::new_list(format_state_name(args.name, "values"), item, true);
            return Ok(vec![Arc::new(list)]);
        }
        Ok(["sum", "count"]
            .into_iter()
            .map(|part| Arc::new(Field::new(format_state_name(args.name, part), DataType::Int64, true)))
            .collect())
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let data_type = args.return_field.data_type().clone();
        if !data_type.is_integer() {
            return self.other.accumulator(args);
        }
        Ok(if args.is_distinct {
            Box::new(Distinct {
                data_type,
                values: BTreeSet::new(),
            })
        } else {
            Box::new(Single {
                data_type,
                sum: 0,
                count: 0,
            })
        })
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        if args.return_field.data_type().is_integer() {
            !args.is_distinct
        } else {
            self.other.groups_accumulator_supported(args)
        }
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        let data_type = args.return_field.data_type().clone();
        if !data_type.is_integer() {
            return self.other.create_groups_accumulator(args);
        }
        Ok(Box::new(Groups {
            data_type,
            sums: Vec::new(),
            counts: Vec::new(),
        }))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if args.return_field.data_type().is_integer() {
            self.accumulator(args)
        } else {
            self.other.create_sliding_accumulator(args)
        }
    }
}

fn overflow() -> DataFusionError {
    exec_datafusion_err!("the sum of an AVG is out of BIGINT's range")
}

fn bigints(array: &ArrayRef) -> Result<Int64Array> {
    Ok(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

fn quotient(sum: i64, count: i64, data_type: &DataType) -> Result<ScalarValue> {
    ScalarValue::Int64((count != 0).then(|| sum / count)).cast_to(data_type)
}

/// One average.
#[derive(Debug)]
struct Single {
    data_type: DataType,
    sum: i64,
    count: i64,
}

impl Single {
    fn add(&mut self, values: &ArrayRef, sign: i64) -> Result<()> {
        let values = bigints(values)?;
        for value in values.iter().flatten() {
            let next = if sign > 0 {
                self.sum.checked_add(value)
            } else {
                self.sum.checked_sub(value)
            };
            self.sum = next.ok_or_else(overflow)?;
            self.count += sign;
        }
        Ok(())
    }
}

impl Accumulator for Single {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(&values[0], 1)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(&values[0], -1)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        quotient(self.sum, self.count, &self.data_type)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.sum.into(), self.count.into()])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for (sum, count) in bigints(&states[0])?.iter().zip(&bigints(&states[1])?) {
            self.sum = self.sum.checked_add(sum.unwrap_or(0)).ok_or_else(overflow)?;
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
    data_type: DataType,
    values: BTreeSet<i64>,
}

impl Accumulator for Distinct {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.values.extend(bigints(&values[0])?.iter().flatten());
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = self.values.iter().try_fold(0_i64, |sum, value| sum.checked_add(*value));
        let count = i64::try_from(self.values.len()).unwrap_or(i64::MAX);
        quotient(sum.ok_or_else(overflow)?, count, &self.data_type)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = Int64Array::from_iter_values(self.values.iter().copied());
        let field = Arc::new(Field::new_list_field(DataType::Int64, true));
        let list = ListArray::new(
            field,
            OffsetBuffer::from_lengths([values.len()]),
            Arc::new(values),
            None,
        );
        Ok(vec![ScalarValue::List(Arc::new(list))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for list in states[0].as_list::<i32>().iter().flatten() {
            self.values.extend(bigints(&list)?.iter().flatten());
        }
        Ok(())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.len() * 2 * size_of::<i64>()
    }
}

/// The averages of many groups.
struct Groups {
    data_type: DataType,
    sums: Vec<i64>,
    counts: Vec<i64>,
}

impl Groups {
    fn add(&mut self, group: usize, sum: i64, count: i64) -> Result<()> {
        self.sums[group] = self.sums[group].checked_add(sum).ok_or_else(overflow)?;
        self.counts[group] += count;
        Ok(())
    }

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
        let values = bigints(&values[0])?;
        for (row, group) in groups.iter().enumerate() {
            let taken = wanted.is_none_or(|wanted| wanted.is_valid(row) && wanted.value(row));
            if taken && values.is_valid(row) {
                self.add(*group, values.value(row), 1)?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sums = emit_to.take_needed(&mut self.sums);
        let counts = emit_to.take_needed(&mut self.counts);
        let averages: Int64Array = sums
            .into_iter()
            .zip(counts)
            .map(|(sum, count)| (count != 0).then(|| sum / count))
            .collect();
        Ok(cast(&averages, &self.data_type)?)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let sums = emit_to.take_needed(&mut self.sums);
        let counts = emit_to.take_needed(&mut self.counts);
        Ok(vec![
            Arc::new(Int64Array::from(sums)),
            Arc::new(Int64Array::from(counts)),
        ])
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.grow(total);
        let (sums, counts) = (bigints(&states[0])?, bigints(&states[1])?);
        for (row, group) in groups.iter().enumerate() {
            if sums.is_valid(row) && counts.is_valid(row) {
                self.add(*group, sums.value(row), counts.value(row))?;
            }
        }
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], wanted: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let values = bigints(&values[0])?;
        let taken =
            |row: usize| values.is_valid(row) && wanted.is_none_or(|wanted| wanted.is_valid(row) && wanted.value(row));
        let rows = 0..values.len();
        let sums: Int64Array = rows
            .clone()
            .map(|row| Some(if taken(row) { values.value(row) } else { 0 }))
            .collect();
        let counts: Int64Array = rows.map(|row| Some(i64::from(taken(row)))).collect();
        Ok(vec![Arc::new(sums), Arc::new(counts)])
    }

    fn size(&self) -> usize {
        (self.sums.capacity() + self.counts.capacity()) * size_of::<i64>()
    }
}
