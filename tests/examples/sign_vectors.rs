//! Signs what in `tests/vectors` is still to be signed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    testkit::vector::sign_all()
}
