//! What runs the tests of each target, and what that takes.

pub(crate) struct Machine {
    pub(crate) triple: &'static str,
    /// For the table.
    pub(crate) how: &'static str,
    /// Of Debian, beside its compiler.
    pub(crate) packages: &'static [&'static str],
    /// Without which nothing runs.
    pub(crate) programs: &'static [&'static str],
    /// Of C, which links too.
    pub(crate) compiler: &'static str,
    /// The words before a program of the target; none where the machine runs it itself.
    pub(crate) runner: &'static str,
    pub(crate) is_windows: bool,
    pub(crate) variant: Variant,
}

/// What differs between rows of one target.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Variant {
    AsIs,
    /// The kernel is made to grant no secret memory.
    OrdinaryPages,
    /// rustix asks the C library, as it does on processors whose system calls it does not know.
    CLibrary,
}

impl Machine {
    /// What tells it from the others in the table.
    pub(crate) fn label(&self) -> String {
        let variant = match self.variant {
            Variant::AsIs => "",
            Variant::OrdinaryPages => " (ordinary pages)",
            Variant::CLibrary => " (by the C library)",
        };
        format!("`{}`{variant}", self.triple)
    }

    /// Whether its processor is another than the machine's.
    pub(crate) fn is_emulated(&self) -> bool {
        self.runner.starts_with("qemu")
    }
}

pub(crate) const MACHINES: [Machine; 8] = [
    NATIVE,
    Machine { variant: Variant::OrdinaryPages, ..NATIVE },
    Machine { variant: Variant::CLibrary, ..NATIVE },
    Machine {
        triple: "aarch64-unknown-linux-gnu",
        how: "qemu-user",
        packages: &["qemu-user", "gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"],
        programs: &["qemu-aarch64", "aarch64-linux-gnu-gcc"],
        compiler: "aarch64-linux-gnu-gcc",
        runner: "qemu-aarch64 -L /usr/aarch64-linux-gnu",
        is_windows: false,
        variant: Variant::AsIs,
    },
    Machine {
        triple: "s390x-unknown-linux-gnu",
        how: "qemu-user, big-endian",
        packages: &["qemu-user", "gcc-s390x-linux-gnu", "libc6-dev-s390x-cross"],
        programs: &["qemu-s390x", "s390x-linux-gnu-gcc"],
        compiler: "s390x-linux-gnu-gcc",
        runner: "qemu-s390x -L /usr/s390x-linux-gnu",
        is_windows: false,
        variant: Variant::AsIs,
    },
    NATIVE_32,
    Machine { variant: Variant::OrdinaryPages, ..NATIVE_32 },
    Machine {
        triple: "x86_64-pc-windows-gnu",
        how: "wine",
        packages: &["gcc-mingw-w64-x86-64", "wine", "wine64"],
        programs: &["x86_64-w64-mingw32-gcc", super::windows::WINE],
        compiler: "x86_64-w64-mingw32-gcc",
        runner: super::windows::WINE,
        is_windows: true,
        variant: Variant::AsIs,
    },
];

const NATIVE: Machine = Machine {
    triple: "x86_64-unknown-linux-gnu",
    how: "the processor itself",
    packages: &["gcc", "libc6-dev"],
    programs: &["x86_64-linux-gnu-gcc"],
    compiler: "x86_64-linux-gnu-gcc",
    runner: "",
    is_windows: false,
    variant: Variant::AsIs,
};

const NATIVE_32: Machine = Machine {
    triple: "i686-unknown-linux-gnu",
    how: "the processor itself, 32 bits",
    packages: &["gcc-i686-linux-gnu", "libc6-dev-i386-cross", "libc6-i386"],
    programs: &["i686-linux-gnu-gcc"],
    compiler: "i686-linux-gnu-gcc",
    runner: "",
    is_windows: false,
    variant: Variant::AsIs,
};
