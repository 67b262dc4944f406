//! Numbers spread evenly, the same for the same input: for what has to be scattered and yet stay where it is.

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014), one step from `seed`.
#[must_use]
pub const fn spread(seed: u64) -> u64 {
    let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
