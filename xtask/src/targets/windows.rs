//! What programs of Windows need here: wine with the one library that it lacks, and libsodium.

use crate::Result;
use serde_json::Value;
use std::path::{Path, PathBuf};
use xshell::{Cmd, Shell, cmd};

pub(crate) const WINE: &str = "/usr/lib/wine/wine64";

/// The standard library takes its random bytes from `ProcessPrng`, which wine 8 does not have. It has the older function.
const RANDOM: &str = "\
#include <windows.h>

BOOLEAN NTAPI SystemFunction036(PVOID bytes, ULONG count);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE bytes, SIZE_T count)
{
    while (count > 0) {
        ULONG part = count > 0x10000000 ? 0x10000000 : (ULONG)count;
        if (!SystemFunction036(bytes, part)) {
            return FALSE;
        }
        bytes += part;
        count -= part;
    }
    return TRUE;
}
";

/// Where wine keeps its Windows, and libsodium lies.
pub(crate) struct Place {
    wine: PathBuf,
    libsodium: PathBuf,
}

impl Place {
    pub(crate) fn new(sh: &Shell, directory: &Path) -> Result<Self> {
        let place = Self { wine: directory.join("wine"), libsodium: directory.join("libsodium-of-windows") };
        place.set_up_wine(sh)?;
        if !sh.path_exists(place.libsodium.join("lib/libsodium.a")) {
            place.build_libsodium(sh, &directory.join("libsodium-of-windows-source"))?;
        }
        Ok(place)
    }

    /// Lets `command` see both.
    pub(crate) fn set<'a>(&self, command: Cmd<'a>) -> Cmd<'a> {
        self.with_wine(command)
            .env("SODIUM_LIB_DIR", self.libsodium.join("lib"))
            .env("RUSTFLAGS", "-Clink-arg=-ladvapi32") // what libsodium takes its random bytes from
    }

    fn with_wine<'a>(&self, command: Cmd<'a>) -> Cmd<'a> {
        command
            .env("WINEPREFIX", &self.wine)
            .env("WINEDEBUG", "-all")
            // A crash ends the program without a debugger, and nothing asks for what is not installed.
            .env("WINEDLLOVERRIDES", "winedbg.exe=d;mscoree=d;mshtml=d")
    }

    fn set_up_wine(&self, sh: &Shell) -> Result {
        let system = self.wine.join("drive_c/windows/system32");
        if !sh.path_exists(&system) {
            let limit = "120";
            self.with_wine(cmd!(sh, "timeout -s KILL {limit} {WINE} wineboot --init"))
                .ignore_stderr()
                .run()?;
        }
        let (library, source) = (system.join("bcryptprimitives.dll"), self.wine.join("random.c"));
        sh.write_file(&source, RANDOM)?;
        Ok(cmd!(sh, "x86_64-w64-mingw32-gcc -shared -O1 -o {library} {source} -ladvapi32").run()?)
    }

    /// Of the sources that the crate carries, whose build script builds it for the machine's own system alone.
    fn build_libsodium(&self, sh: &Shell, source: &Path) -> Result {
        let metadata: Value =
            serde_json::from_str(&cmd!(sh, "cargo metadata --format-version 1").quiet().read()?)?;
        let packages = metadata["packages"].as_array().ok_or("cargo names no packages")?;
        let package = packages.iter().find(|package| package["name"] == "libsodium-sys-stable");
        let manifest = package.and_then(|package| package["manifest_path"].as_str());
        let archive =
            Path::new(manifest.ok_or("libsodium is no dependency")?).with_file_name("LATEST.tar.gz");
        sh.remove_path(source)?;
        sh.create_dir(source)?;
        cmd!(sh, "tar --extract --strip-components=1 --file {archive} --directory {source}").run()?;
        let _there = sh.push_dir(source);
        let prefix = &self.libsodium;
        cmd!(sh, "./configure --quiet --host=x86_64-w64-mingw32 --disable-shared --prefix={prefix}").run()?;
        Ok(cmd!(sh, "make --quiet install").ignore_stdout().run()?)
    }
}
