//! Each sanitizer: how it is built in, what its reports look like, the bug it must find, the tests that it cannot run.

/// Tests, by a part of their names, that a sanitizer does not run, and why.
pub(crate) struct Skip {
    pub(crate) tests: &'static [&'static str],
    pub(crate) why: &'static str,
}

pub(crate) struct Sanitizer {
    /// As `-Zsanitizer` and `-fsanitize` know it; valgrind's tool for [`MEMCHECK`].
    pub(crate) name: &'static str,
    /// For rustc beyond that.
    pub(crate) flags: &'static str,
    /// For the compiler of libsodium beyond that.
    pub(crate) c_flags: &'static str,
    /// What its reports contain.
    pub(crate) reports: &'static [&'static str],
    /// The programs of `xtask/planted` in which it must find the bug, and what it says then.
    pub(crate) planted: &'static [(&'static str, &'static str)],
    pub(crate) skips: &'static [&'static Skip],
}

/// The one that is a program around the tests, not built into them.
pub(crate) const MEMCHECK: &str = "memcheck";

pub(crate) const SANITIZERS: [Sanitizer; 5] = [
    Sanitizer {
        name: "address",
        flags: "",
        c_flags: "",
        reports: &["ERROR: AddressSanitizer"],
        planted: &[("heap-overflow", "heap-buffer-overflow")],
        skips: &[&NO_LOCKING, &SCANS, &ADDRESS_SPACE, &DEAD_STACK],
    },
    Sanitizer {
        name: "thread",
        flags: "",
        c_flags: "",
        reports: &["WARNING: ThreadSanitizer"],
        planted: &[("data-race", "data race")],
        skips: &[&NO_LOCKING, &SCANS, &ADDRESS_SPACE],
    },
    Sanitizer {
        name: "memory",
        // It sees what the C library's calls write, and not what rustix's own would.
        flags: " -Zsanitizer-memory-track-origins --cfg=rustix_use_libc",
        // Nor does it see what the C library's calls with checked sizes write.
        c_flags: " -U_FORTIFY_SOURCE",
        reports: &["WARNING: MemorySanitizer"],
        planted: &[("uninitialised", "use-of-uninitialized-value")],
        skips: &[&NO_LOCKING, &SCANS, &DEAD_STACK, &ADDRESS_SPACE, &DISTANCE, &MANY_MAPPINGS, &CAPABILITIES],
    },
    Sanitizer {
        name: "leak",
        flags: "",
        c_flags: "",
        reports: &["ERROR: LeakSanitizer"],
        planted: &[("leak", "detected memory leaks")],
        skips: &[&SCANS, &ADDRESS_SPACE, &NOT_DUMPABLE, &LEFT_TO_THE_PARENT, &FILTERED],
    },
    Sanitizer {
        name: MEMCHECK,
        flags: "",
        c_flags: "",
        reports: &["Invalid read", "Invalid write", "Invalid free", "unaddressable", "uninitialised"],
        planted: &[("heap-overflow", "Invalid read"), ("uninitialised", "uninitialised")],
        skips: &[&SCANS, &DEAD_STACK, &FAULTS, &NO_FILTERS, &ABSENT, &OWN_FILES],
    },
];

const NO_LOCKING: Skip = Skip {
    tests: &[
        "with_a_limit_of_zero_nothing_is_stored",
        "best_effort_goes_on_and_reports_that_nothing_is_locked",
        "at_the_limit_a_secret_is_refused",
        "patience_ends_in_the_same_error",
        "at_best_effort_without_any_lock",
        "a_hundred_thousand_secrets_fit_a_lock_limit_of_64_kib",
        "what_cannot_be_done_is_a_clear_message_and_exit_code_1",
        "what_the_child_cannot_lock_it_does_not_get",
        "at_best_effort_the_child_gets_it_unlocked",
        "a_waiting_thread_gets_the_page_that_another_leaves_in_the_pool",
        "a_thread_that_waits_for_pages_at_a_spot_gets_none_of_the_pool",
        "pages_taken_together_are_had_when_another_thread_drops_one",
        "what_cannot_be_had_yet_holds_up_no_one_else",
        "two_that_wait_for_more_than_is_left_do_not_keep_each_other_awake",
        "holds_no_page_while_it_waits_for_others",
        "two_fragments_are_had_together_or_not_at_all",
        "a_memory_is_not_locked_by_a_thread_that_waits_for_pages",
        "pages_refused_together_are_refused_at_once_without_patience_and_given_back",
        "by_default_the_pool_keeps_a_quarter_of_the_limit",
        "ordinary_pages_are_locked_and_out_of_dumps_and_forks_as_reported",
    ],
    why: "its runtime turns `mlock` into a call that does nothing, so no limit is ever reached",
};

const DISTANCE: Skip = Skip {
    tests: &["pages_lie_as_far_apart_as_asked"],
    why: "it leaves the program fewer addresses than are needed for distances of gigabytes beside other tests",
};

const MANY_MAPPINGS: Skip = Skip {
    tests: &["a_child_forked_while_pages_are_made_shares_none_that_come_into_use"],
    why: "it runs out of memory for what it keeps beside thousands of mappings",
};

const CAPABILITIES: Skip = Skip {
    tests: &["the_doctor_", "every_topic_has_its_check"],
    why: "it does not see what `capget` writes",
};

const SCANS: Skip = Skip {
    tests: &[
        "no_part_of_an_exported_and_imported_secret_is_left",
        "no_copy_of_a_passphrase_or_a_key_is_left",
        "a_secret_is_nowhere_at_rest_and_once_in_use",
        "a_sealed_secret_is_nowhere_at_rest",
        "a_guarded_secret_is_in_guarded_pages_alone",
        "the_scanner_sees_a_copy_on_the_heap",
        "a_child_holds_no_copy",
        "it_leaves_nothing_at_rest",
    ],
    why: "they read all memory of the process, where the sanitizer has terabytes of address space and its own copies",
};

const ADDRESS_SPACE: Skip = Skip {
    tests: &["too_little_memory_is_an_error_and_leaves_zeros"],
    why: "it limits the address space, of which the sanitizer takes terabytes",
};

const DEAD_STACK: Skip = Skip {
    tests: &["dead_stack_is_wiped"],
    why: "it reads on purpose what it reports: the stack of a function that returned",
};

const NOT_DUMPABLE: Skip = Skip {
    tests: &["harden"],
    why: "a process closed to debuggers is closed to the one that looks for leaks",
};

const LEFT_TO_THE_PARENT: Skip = Skip {
    tests: &["a_zeroed_token_is_a_new_generation"],
    why: "what a process made before a fork stays allocated in the child on purpose: its locks may be held for ever",
};

const FILTERED: Skip = Skip {
    tests: &["pages_without_a_guard_are_refused"],
    why: "its filter of system calls refuses those of the sanitizer, too",
};

const FAULTS: Skip = Skip {
    tests: &[
        "_faults",
        "aborts",
        "canary",
        "writing_before_the_start_ends_the_process",
        "a_page_that_can_be_neither_closed_nor_wiped_is_unmapped",
        "a_twin_whose_page_could_not_be_closed_is_written_again",
    ],
    why: "their children do on purpose what it reports: they touch guard pages and unmapped ones, and damage canaries",
};

const NO_FILTERS: Skip = Skip {
    tests: &[
        "pages_without_a_guard_are_refused",
        "required_and_refused_is_an_error",
        "where_a_filter_forbids_it_it_is_ordinary_memory_and_said_to_be",
        "where_the_kernel_has_none_it_is_ordinary_memory_and_said_to_be",
        "the_doctor_sees_that_a_filter_forbids_secret_memory",
        "shards_that_cannot_be_replaced_are_joined_all_the_same",
        "a_root_key_that_was_destroyed_is_followed_by_another",
    ],
    why: "it knows no filters of system calls",
};

const ABSENT: Skip = Skip {
    tests: &["dropped_in_a_child_it_takes_nothing_of_the_childs"],
    why: "it takes pages that were kept from a child for mapped there, and maps nothing in their place",
};

const OWN_FILES: Skip = Skip {
    tests: &[
        "a_missing_default_directory_is_an_error_and_looked_for_again",
        "a_hundred_thousand_secrets_fit_an_ordinary_user",
        "what_cannot_be_done_is_a_clear_message_and_exit_code_1",
    ],
    why: "it keeps files of its own: in the default directory, beside those that a limit allows, and not another user's",
};
