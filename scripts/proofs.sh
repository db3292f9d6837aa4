# Sourced by setup.sh and fresh.sh: one function for each thing that a build needs, which tries the thing itself. A name
# in a list of libraries proves nothing: many machines carry `libclang-cpp.so` and no `libclang.so`. A function returns 0
# when the thing works; otherwise `proof_said` holds the last line of what was said. Nothing is left behind.

proof_said=''

# Runs a command in a scratch directory that is removed again.
proof_run() {
  local scratch said status=0
  scratch=$(mktemp -d)
  said=$(cd "$scratch" && "$@" 2>&1) || status=$?
  rm -rf "$scratch"
  proof_said=$(tail -n 1 <<< "$said")
  return "$status"
}

# The toolchain runs in the checkout, where rust-toolchain.toml asks for one, or at least outside (scripts/env.sh).
proof_cargo() { proof_run sh -c "cd '$1' && cargo --version" || proof_run sh -c 'cd / && cargo --version'; }

proof_make() { proof_run sh -c 'printf "all:\n\t@echo made\n" > Makefile && make -s all'; }

# RocksDB is C++20 with threads and is archived by `ar`; the same program shows whether all that links.
proof_cxx() { proof_run proof_cxx_here; }
proof_cxx_here() {
  cat > proof.cc <<'CPP'
#include <string>
#include <thread>
int main() {
  std::string made;
  std::thread worker([&made] { made = "linked"; });
  worker.join();
  return made == "linked" ? 0 : 1;
}
CPP
  "${CXX:-g++}" -std=c++20 -c proof.cc -o proof.o && ar crs libproof.a proof.o && "${CXX:-g++}" proof.o -o proof -lpthread && ./proof
}

proof_venv() { proof_run sh -c 'python3 -m venv here && here/bin/python -m pip --version'; }

# proof_libclang ENVIRONMENT: the libclang that the bindings will be made with parses a header that includes one of the
# compiler's own. LIBCLANG_PATH of the caller goes first, as it does in scripts/env.sh.
proof_libclang() { [ -x "$1/bin/python" ] && proof_run "$1/bin/python" -c '
import os, sys, subprocess
from clang import cindex
own = os.environ.get("LIBCLANG_PATH")
if own:
    cindex.Config.set_library_path(own)
builtin = subprocess.run(["gcc", "-print-file-name=include"], capture_output=True, text=True, check=True).stdout.strip()
source = "#include <stdbool.h>\n#include <stdint.h>\nbool proof(uint64_t);\n"
unit = cindex.Index.create().parse("proof.c", args=["-I" + builtin], unsaved_files=[("proof.c", source)])
problems = [d.spelling for d in unit.diagnostics if d.severity >= cindex.Diagnostic.Error]
sys.exit(problems[0] if problems else 0)
'; }
