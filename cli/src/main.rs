//! The binary `strandline`: nothing but the call into the library, so that tests and tools can use the same parts.

use std::process::ExitCode;

fn main() -> ExitCode {
    strandline_cli::run()
}
