//! The files of this process: one for each directory.

use crate::error::{Directory, FileError, Step};
use crate::os;
use crate::store::Store;
use boxed::PerProcess;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

static STORES: PerProcess<Stores> = PerProcess::new();

#[derive(Default)]
struct Stores {
    /// Found once, and kept until the process ends: a secret that comes and goes makes no file.
    default: Mutex<Option<Arc<Store>>>,
    /// Every file goes with the last secret in it, so that nothing keeps its file system from being unmounted.
    by_directory: Mutex<HashMap<os::Id, Weak<Store>>>,
}

/// The file in the default directory, made if need be.
pub(crate) fn default() -> Result<Arc<Store>, FileError> {
    let stores = Stores::current();
    let mut default = lock(&stores.default);
    match default.as_ref().filter(|store| !store.is_foreign()) {
        Some(store) => Ok(store.clone()),
        None => {
            let directory = std::env::temp_dir();
            let made = stores.of(&directory).map_err(|(step, source)| FileError {
                step,
                directory: Directory::Default(directory),
                source,
            })?;
            Ok(default.insert(made).clone())
        }
    }
}

/// The file in `directory`, made if need be.
pub(crate) fn of(directory: &Path) -> Result<Arc<Store>, FileError> {
    Stores::current().of(directory).map_err(|(step, source)| {
        let directory = Directory::Given(PathBuf::from(directory));
        FileError { step, directory, source }
    })
}

impl Stores {
    fn current() -> &'static Self {
        let Ok(stores) = STORES.get_or_try_init(|| Ok::<_, Infallible>(Self::default()));
        stores
    }

    fn of(&self, directory: &Path) -> Result<Arc<Store>, (Step, io::Error)> {
        #[cfg(test)]
        crate::faults::strike(crate::faults::Call::Find).map_err(|error| (Step::Find, error))?;
        let id = os::identity(directory).map_err(|error| (Step::Find, error))?;
        let mut stores = lock(&self.by_directory);
        let known = stores.get(&id).and_then(Weak::upgrade);
        // A child that inherits finds the files of its parent here.
        if let Some(store) = known.filter(|store| !store.is_foreign()) {
            return Ok(store);
        }
        let store = Arc::new(Store::new(directory).map_err(|error| (Step::Make, error))?);
        stores.retain(|_, store| store.strong_count() > 0);
        stores.insert(id, Arc::downgrade(&store));
        Ok(store)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code panics while it holds a lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_use_is_shared_and_one_that_is_not_is_forgotten() {
        let [here, there, elsewhere] = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let stores = Stores::default();
        let of = |directory: &tempfile::TempDir| stores.of(directory.path()).unwrap();
        let kept = of(&here);
        drop(of(&there));
        let another = of(&elsewhere);
        assert!(Arc::ptr_eq(&kept, &of(&here)) && Arc::ptr_eq(&another, &of(&elsewhere)));
        let known = lock(&stores.by_directory);
        assert_eq!(known.len(), 2);
        assert!(!known.contains_key(&os::identity(there.path()).unwrap()));
    }
}
