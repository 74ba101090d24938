//! What the compiler says to the mistakes that newcomers make. After a change
//! on purpose: `TRYBUILD=overwrite cargo test -p dunlin --test mistakes`, and
//! read the difference.

#[test]
fn mistakes_are_explained() {
    trybuild::TestCases::new().compile_fail("tests/fail/*.rs");
}

#[test]
fn mistakes_in_error_enums_are_explained() {
    trybuild::TestCases::new().compile_fail("tests/fail_error_response/*.rs");
}
