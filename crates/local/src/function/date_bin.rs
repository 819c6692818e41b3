//! `date_bin(stride, time, origin)`, the start of a tumbling window: DataFusion's, with a shorter way for what streams
//! compute for every row.
//!
//! That one counts in nanoseconds, where a TIMESTAMP(3) before 1677 or after 2262 is NULL, and divides twice a row. Here
//! the timestamp's own unit is counted in, and a row that falls where the one before it did needs no division.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use datafusion::arrow::compute::{max, min};
use datafusion::arrow::datatypes::{
    ArrowTimestampType, DataType, FieldRef, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::functions::datetime::date_bin::DateBinFunc;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature};

use super::interval::{nanoseconds, scale};

/// See the module.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct DateBin(DateBinFunc);

impl ScalarUDFImpl for DateBin {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.0.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        if let Some(Some(stride)) = args.scalar_arguments.first()
            && nanoseconds(stride).is_some_and(|stride| stride <= 0)
        {
            return plan_err!("the size of a window must be more than 0");
        }
        self.0.return_field_from_args(args)
    }

    fn output_ordering(&self, input: &[ExprProperties]) -> Result<SortProperties> {
        self.0.output_ordering(input)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let times = match args.args.get(1) {
            Some(ColumnarValue::Array(times)) => Arc::clone(times),
            Some(ColumnarValue::Scalar(time)) => time.to_array()?,
            None => return self.0.invoke_with_args(args),
        };
        match Bins::new(&args.args, times.data_type()).and_then(|bins| bins.starts(&times)) {
            Some(starts) if matches!(args.args[1], ColumnarValue::Scalar(_)) => {
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&starts, 0)?))
            }
            Some(starts) => Ok(ColumnarValue::Array(starts)),
            None => self.0.invoke_with_args(args),
        }
    }
}

/// Bins of one length, side by side, in the unit of the timestamps that fall into them.
#[derive(Debug, Clone, Copy)]
struct Bins {
    /// Above 0.
    stride: i64,
    /// Where one of them starts.
    origin: i64,
}

impl Bins {
    /// The bins of a call with timestamps of that type. `None` if the stride has months or the bins start between two
    /// values of the timestamps' unit.
    fn new(args: &[ColumnarValue], times: &DataType) -> Option<Self> {
        let [ColumnarValue::Scalar(stride), _, origin @ ..] = args else {
            return None;
        };
        let DataType::Timestamp(unit, _) = times else {
            return None;
        };
        let origin = match origin {
            [] => 0,
            [ColumnarValue::Scalar(ScalarValue::TimestampNanosecond(origin, _))] => (*origin)?,
            _ => return None,
        };
        let (stride, scale) = (nanoseconds(stride)?, scale(*unit));
        let whole = stride > 0 && stride % scale == 0 && origin % scale == 0;
        let bins = Self {
            stride: stride / scale,
            origin: origin / scale,
        };
        whole.then_some(bins)
    }

    /// The start of each timestamp's bin. `None` if it may be out of range.
    fn starts(self, times: &ArrayRef) -> Option<ArrayRef> {
        let DataType::Timestamp(unit, _) = times.data_type() else {
            return None;
        };
        match unit {
            TimeUnit::Second => self.starts_of::<TimestampSecondType>(times),
            TimeUnit::Millisecond => self.starts_of::<TimestampMillisecondType>(times),
            TimeUnit::Microsecond => self.starts_of::<TimestampMicrosecondType>(times),
            TimeUnit::Nanosecond => self.starts_of::<TimestampNanosecondType>(times),
        }
    }

    fn starts_of<T>(self, times: &ArrayRef) -> Option<ArrayRef>
    where
        T: ArrowTimestampType + ArrowPrimitiveType<Native = i64>,
    {
        let times = times.as_primitive::<T>();
        let (first, last) = (min(times).unwrap_or(0), max(times).unwrap_or(0));
        first.checked_sub(self.origin)?;
        first.checked_sub(self.stride)?;
        last.checked_sub(self.origin)?;
        let mut bin = self.start(first);
        let starts = times.values().iter().map(|time| {
            if !(0..self.stride).contains(&time.wrapping_sub(bin)) {
                bin = self.start(*time);
            }
            bin
        });
        let starts = PrimitiveArray::<T>::new(starts.collect(), times.nulls().cloned());
        Some(Arc::new(starts.with_data_type(times.data_type().clone())))
    }

    /// The start of the bin that a timestamp falls into; of what stands below a NULL any number.
    const fn start(self, time: i64) -> i64 {
        time.wrapping_sub(time.wrapping_sub(self.origin).rem_euclid(self.stride))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::TimestampMillisecondArray;
    use datafusion::arrow::datatypes::{Field, IntervalMonthDayNano};
    use datafusion::common::config::ConfigOptions;
    use proptest::prelude::*;

    use super::*;

    fn call(function: &impl ScalarUDFImpl, args: &[ColumnarValue]) -> Result<ArrayRef> {
        let rows = match &args[1] {
            ColumnarValue::Array(times) => times.len(),
            ColumnarValue::Scalar(_) => 1,
        };
        let returned = args[1].data_type();
        let fields = args
            .iter()
            .map(|arg| Arc::new(Field::new("a", arg.data_type(), true)))
            .collect();
        function
            .invoke_with_args(ScalarFunctionArgs {
                args: args.to_vec(),
                arg_fields: fields,
                number_rows: rows,
                return_field: Arc::new(Field::new("r", returned, true)),
                config_options: Arc::new(ConfigOptions::default()),
            })?
            .into_array(rows)
    }

    fn stride(months: i32, days: i32, nanos: i64) -> ColumnarValue {
        let interval = IntervalMonthDayNano::new(months, days, nanos);
        ColumnarValue::Scalar(ScalarValue::IntervalMonthDayNano(Some(interval)))
    }

    proptest! {
        #[test]
        fn bins_are_datafusions(
            times in prop::collection::vec(prop::option::weighted(0.9, -4_000_000_000_000_i64..4_000_000_000_000), 0..60),
            months in prop::option::weighted(0.1, 1..30),
            days in 0..40_i32,
            millis in 0..100_000_000_i64,
            micros in prop::option::weighted(0.1, 0..2_000_i64),
            origin in prop::option::of(-100_000_000_000_i64..100_000_000_000),
            zoned: bool,
        ) {
            let zone = zoned.then(|| Arc::<str>::from("UTC"));
            let times = TimestampMillisecondArray::from(times).with_timezone_opt(zone.clone());
            let stride = match months {
                Some(months) => stride(months, 0, 0),
                None => stride(0, days, millis * 1_000_000 + micros.unwrap_or(0) * 1_000),
            };
            let mut args = vec![stride, ColumnarValue::Array(Arc::new(times))];
            args.extend(origin.map(|origin| {
                ColumnarValue::Scalar(ScalarValue::TimestampNanosecond(Some(origin * 1_000_000), zone))
            }));
            match (call(&DateBin::default(), &args), call(&DateBinFunc::default(), &args)) {
                (Ok(ours), Ok(theirs)) => prop_assert_eq!(&ours, &theirs),
                (ours, theirs) => prop_assert_eq!(ours.is_err(), theirs.is_err()),
            }
        }
    }

    #[test]
    fn a_time_has_a_bin_however_far_it_is_from_1970() {
        let millis = |time: &str| time.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        let (early, late) = (millis("0001-01-01T00:00:09.999Z"), millis("9998-12-31T23:59:59.999Z"));
        let times = TimestampMillisecondArray::from(vec![early, late]);
        let args = [stride(0, 0, 10_000_000_000), ColumnarValue::Array(Arc::new(times))];
        let found = call(&DateBin::default(), &args).unwrap();
        let found = found.as_primitive::<TimestampMillisecondType>().values().to_vec();
        assert_eq!(found, [millis("0001-01-01T00:00:00Z"), millis("9998-12-31T23:59:50Z")]);
    }
}
