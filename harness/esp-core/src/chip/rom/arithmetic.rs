//! The compiler's helper functions: 64-bit integers, bits, floating point.

use std::cmp::Ordering;

use super::{Answer, Call, Function};

pub(super) const MODELS: &[(&str, Function)] = &[
    ("abs", |call| Answer::Value(call.argument(0).cast_signed().unsigned_abs())),
    ("__bswapsi2", |call| Answer::Value(call.argument(0).swap_bytes())),
    ("__bswapdi2", |call| Answer::Wide(call.wide(0).swap_bytes())),
    ("__clzsi2", |call| Answer::Value(call.argument(0).leading_zeros())),
    ("__clzdi2", |call| Answer::Value(call.wide(0).leading_zeros())),
    ("__ctzsi2", |call| Answer::Value(call.argument(0).trailing_zeros())),
    ("__ctzdi2", |call| Answer::Value(call.wide(0).trailing_zeros())),
    ("__popcountsi2", |call| Answer::Value(call.argument(0).count_ones())),
    ("__popcountdi2", |call| Answer::Value(call.wide(0).count_ones())),
    ("__ffssi2", |call| Answer::Value(first_set(u64::from(call.argument(0))))),
    ("__ffsdi2", |call| Answer::Value(first_set(call.wide(0)))),
    ("__ashldi3", |call| Answer::Wide(call.wide(0) << (call.argument(2) & 63))),
    ("__lshrdi3", |call| Answer::Wide(call.wide(0) >> (call.argument(2) & 63))),
    ("__ashrdi3", |call| Answer::Wide((call.wide(0).cast_signed() >> (call.argument(2) & 63)).cast_unsigned())),
    ("__muldi3", |call| Answer::Wide(call.wide(0).wrapping_mul(call.wide(2)))),
    ("__udivdi3", |call| Answer::Wide(call.wide(0).checked_div(call.wide(2)).unwrap_or(u64::MAX))),
    ("__umoddi3", |call| Answer::Wide(call.wide(0).checked_rem(call.wide(2)).unwrap_or_else(|| call.wide(0)))),
    ("__divdi3", |call| signed(call, |a, b| if b == 0 { -1 } else { a.wrapping_div(b) })),
    ("__moddi3", |call| signed(call, |a, b| if b == 0 { a } else { a.wrapping_rem(b) })),
    ("__udivsi3", |call| Answer::Value(call.argument(0).checked_div(call.argument(1)).unwrap_or(u32::MAX))),
    ("__umodsi3", |call| {
        Answer::Value(call.argument(0).checked_rem(call.argument(1)).unwrap_or_else(|| call.argument(0)))
    }),
    ("__mulsi3", |call| Answer::Value(call.argument(0).wrapping_mul(call.argument(1)))),
    ("__adddf3", |call| double(call, |a, b| a + b)),
    ("__subdf3", |call| double(call, |a, b| a - b)),
    ("__muldf3", |call| double(call, |a, b| a * b)),
    ("__divdf3", |call| double(call, |a, b| a / b)),
    ("__addsf3", |call| single(call, |a, b| a + b)),
    ("__subsf3", |call| single(call, |a, b| a - b)),
    ("__mulsf3", |call| single(call, |a, b| a * b)),
    ("__divsf3", |call| single(call, |a, b| a / b)),
    ("__negdf2", |call| Answer::Wide((-f64::from_bits(call.wide(0))).to_bits())),
    ("__negsf2", |call| Answer::Value((-float(call, 0)).to_bits())),
    ("__eqdf2", |call| compare_doubles(call, 1)),
    ("__nedf2", |call| compare_doubles(call, 1)),
    ("__ledf2", |call| compare_doubles(call, 1)),
    ("__ltdf2", |call| compare_doubles(call, 1)),
    ("__gedf2", |call| compare_doubles(call, -1)),
    ("__gtdf2", |call| compare_doubles(call, -1)),
    ("__eqsf2", |call| compare_singles(call, 1)),
    ("__nesf2", |call| compare_singles(call, 1)),
    ("__lesf2", |call| compare_singles(call, 1)),
    ("__ltsf2", |call| compare_singles(call, 1)),
    ("__gesf2", |call| compare_singles(call, -1)),
    ("__gtsf2", |call| compare_singles(call, -1)),
    ("__unorddf2", |call| {
        Answer::Value(u32::from(f64::from_bits(call.wide(0)).is_nan() || f64::from_bits(call.wide(2)).is_nan()))
    }),
    ("__unordsf2", |call| Answer::Value(u32::from(float(call, 0).is_nan() || float(call, 1).is_nan()))),
    ("__extendsfdf2", |call| Answer::Wide(f64::from(float(call, 0)).to_bits())),
    ("__truncdfsf2", |call| Answer::Value(narrow(f64::from_bits(call.wide(0))).to_bits())),
    ("__floatsidf", |call| Answer::Wide(f64::from(call.argument(0).cast_signed()).to_bits())),
    ("__floatunsidf", |call| Answer::Wide(f64::from(call.argument(0)).to_bits())),
    ("__floatsisf", |call| Answer::Value(narrow(f64::from(call.argument(0).cast_signed())).to_bits())),
    ("__floatunsisf", |call| Answer::Value(narrow(f64::from(call.argument(0))).to_bits())),
    ("__floatdidf", |call| Answer::Wide(conversion::double_from_signed(call.wide(0)).to_bits())),
    ("__floatundidf", |call| Answer::Wide(conversion::double_from(call.wide(0)).to_bits())),
    ("__floatdisf", |call| Answer::Value(conversion::single_from_signed(call.wide(0)).to_bits())),
    ("__floatundisf", |call| Answer::Value(conversion::single_from(call.wide(0)).to_bits())),
    ("__fixdfsi", |call| Answer::Value(conversion::to_i32(f64::from_bits(call.wide(0))))),
    ("__fixunsdfsi", |call| Answer::Value(conversion::to_u32(f64::from_bits(call.wide(0))))),
    ("__fixsfsi", |call| Answer::Value(conversion::to_i32(f64::from(float(call, 0))))),
    ("__fixunssfsi", |call| Answer::Value(conversion::to_u32(f64::from(float(call, 0))))),
    ("__fixdfdi", |call| Answer::Wide(conversion::to_i64(f64::from_bits(call.wide(0))))),
    ("__fixsfdi", |call| Answer::Wide(conversion::to_i64(f64::from(float(call, 0))))),
    ("__fixunssfdi", |call| Answer::Wide(conversion::to_u64(f64::from(float(call, 0))))),
];

/// One more than the number of the lowest bit that is set; 0 when none is.
fn first_set(value: u64) -> u32 {
    if value == 0 { 0 } else { value.trailing_zeros() + 1 }
}

fn signed(call: &Call<'_>, function: fn(i64, i64) -> i64) -> Answer {
    Answer::Wide(function(call.wide(0).cast_signed(), call.wide(2).cast_signed()).cast_unsigned())
}

fn float(call: &Call<'_>, number: usize) -> f32 {
    f32::from_bits(call.argument(number))
}

fn double(call: &Call<'_>, function: fn(f64, f64) -> f64) -> Answer {
    Answer::Wide(function(f64::from_bits(call.wide(0)), f64::from_bits(call.wide(2))).to_bits())
}

fn single(call: &Call<'_>, function: fn(f32, f32) -> f32) -> Answer {
    Answer::Value(function(float(call, 0), float(call, 1)).to_bits())
}

/// The result of a comparison: negative, zero or positive; `unordered` when one is not a number.
fn compare(order: Option<Ordering>, unordered: i32) -> Answer {
    Answer::Value(order.map_or(unordered, |order| order as i32).cast_unsigned())
}

fn compare_doubles(call: &Call<'_>, unordered: i32) -> Answer {
    compare(f64::from_bits(call.wide(0)).partial_cmp(&f64::from_bits(call.wide(2))), unordered)
}

fn compare_singles(call: &Call<'_>, unordered: i32) -> Answer {
    compare(float(call, 0).partial_cmp(&float(call, 1)), unordered)
}

#[expect(clippy::cast_possible_truncation, reason = "the function rounds")]
fn narrow(value: f64) -> f32 {
    value as f32
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "these functions round and saturate, as `as` does"
)]
mod conversion {
    pub(super) fn double_from(value: u64) -> f64 {
        value as f64
    }
    pub(super) fn double_from_signed(value: u64) -> f64 {
        value.cast_signed() as f64
    }
    pub(super) fn single_from(value: u64) -> f32 {
        value as f32
    }
    pub(super) fn single_from_signed(value: u64) -> f32 {
        value.cast_signed() as f32
    }
    pub(super) fn to_i32(value: f64) -> u32 {
        (value as i32).cast_unsigned()
    }
    pub(super) fn to_u32(value: f64) -> u32 {
        value as u32
    }
    pub(super) fn to_i64(value: f64) -> u64 {
        (value as i64).cast_unsigned()
    }
    pub(super) fn to_u64(value: f64) -> u64 {
        value as u64
    }
}
