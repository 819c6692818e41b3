//! `date_bin`, of which windows are made. DataFusion's counts in nanoseconds from 1970: outside of the years 1677 to 2262
//! it gives NULL, which would put rows of all those years into one window.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use datafusion::arrow::datatypes::{
    ArrowTimestampType, DataType, FieldRef, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

/// `date_bin(step, time [, origin])`: the last of the instants `origin + n * step` that is not after `time`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct DateBin {
    /// For what this one does not compute: steps of months, and TIME.
    theirs: Arc<ScalarUDF>,
}

impl Default for DateBin {
    fn default() -> Self {
        Self {
            theirs: datafusion::functions::datetime::date_bin(),
        }
    }
}

impl ScalarUDFImpl for DateBin {
    fn name(&self) -> &'static str {
        "date_bin"
    }

    fn signature(&self) -> &Signature {
        self.theirs.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.theirs.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        if let Some(Some(step)) = args.scalar_arguments.first()
            && nanoseconds(step).is_some_and(|step| step <= 0)
        {
            return plan_err!("the size of a window must be more than 0");
        }
        self.theirs.return_field_from_args(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some((step, origin)) = ticks(&args.args) else {
            return self.theirs.invoke_with_args(args);
        };
        let bin = |times: &ArrayRef| match times.data_type() {
            DataType::Timestamp(TimeUnit::Second, _) => floor::<TimestampSecondType>(times, step, origin),
            DataType::Timestamp(TimeUnit::Millisecond, _) => floor::<TimestampMillisecondType>(times, step, origin),
            DataType::Timestamp(TimeUnit::Microsecond, _) => floor::<TimestampMicrosecondType>(times, step, origin),
            _ => floor::<TimestampNanosecondType>(times, step, origin),
        };
        Ok(match &args.args[1] {
            ColumnarValue::Array(times) => ColumnarValue::Array(bin(times)?),
            ColumnarValue::Scalar(time) => {
                let binned = bin(&time.to_array()?)?;
                ColumnarValue::Scalar(ScalarValue::try_from_array(&binned, 0)?)
            }
        })
    }
}

/// Each time less what it has gone beyond the beginning of its bin.
fn floor<T: ArrowTimestampType>(times: &ArrayRef, step: i64, origin: i64) -> Result<ArrayRef, ArrowError> {
    let times: &PrimitiveArray<T> = times.as_primitive();
    let starts: PrimitiveArray<T> = times.try_unary(|time| {
        let beyond = time.checked_sub(origin).map(|since| since.rem_euclid(step));
        beyond.and_then(|beyond| time.checked_sub(beyond)).ok_or_else(|| {
            ArrowError::ArithmeticOverflow("A time is too far from 1970 to be put into a window".to_owned())
        })
    })?;
    Ok(Arc::new(starts.with_timezone_opt(times.timezone().map(Arc::from))))
}

/// Step and origin in the unit of the times, if they are the same for all rows, whole numbers of it, and the step is
/// always as long.
fn ticks(args: &[ColumnarValue]) -> Option<(i64, i64)> {
    let (ColumnarValue::Scalar(step), DataType::Timestamp(unit, _)) = (args.first()?, args.get(1)?.data_type()) else {
        return None;
    };
    let origin = match args.get(2) {
        None => 0,
        Some(ColumnarValue::Scalar(origin)) => since_epoch(origin)?,
        Some(ColumnarValue::Array(_)) => return None,
    };
    let tick = tick(unit);
    let whole = |nanoseconds: i128| {
        i64::try_from(nanoseconds / tick)
            .ok()
            .filter(|_| nanoseconds % tick == 0)
    };
    let step = whole(nanoseconds(step)?).filter(|step| *step > 0)?;
    Some((step, whole(origin)?))
}

/// A unit in nanoseconds.
const fn tick(unit: TimeUnit) -> i128 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

/// How long an interval is; `None` if that depends on where it begins.
fn nanoseconds(interval: &ScalarValue) -> Option<i128> {
    const DAY: i128 = 86_400_000_000_000;
    match interval {
        ScalarValue::IntervalMonthDayNano(Some(step)) if step.months == 0 => {
            Some(i128::from(step.days) * DAY + i128::from(step.nanoseconds))
        }
        ScalarValue::IntervalDayTime(Some(step)) => {
            Some(i128::from(step.days) * DAY + i128::from(step.milliseconds) * 1_000_000)
        }
        _ => None,
    }
}

/// An instant in nanoseconds since 1970.
fn since_epoch(time: &ScalarValue) -> Option<i128> {
    let (value, unit) = match time {
        ScalarValue::TimestampSecond(Some(value), _) => (*value, TimeUnit::Second),
        ScalarValue::TimestampMillisecond(Some(value), _) => (*value, TimeUnit::Millisecond),
        ScalarValue::TimestampMicrosecond(Some(value), _) => (*value, TimeUnit::Microsecond),
        ScalarValue::TimestampNanosecond(Some(value), _) => (*value, TimeUnit::Nanosecond),
        _ => return None,
    };
    Some(i128::from(value) * tick(unit))
}
