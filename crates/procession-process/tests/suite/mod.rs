//! What holds for every start method.
//!
//! Each case is a function without arguments. [`suite!`] makes a test of each in the test program
//! of each method, and says of those that are not for a method why. `run`, in that program, runs a
//! case in a process that starts its children by that method.

pub(crate) mod ends;
pub(crate) mod exit;
pub(crate) mod files;
pub(crate) mod interrupted;
pub(crate) mod life;
pub(crate) mod limits;
pub(crate) mod misuse;
pub(crate) mod orphans;
pub(crate) mod owner;
pub(crate) mod parent;
pub(crate) mod results;
pub(crate) mod settings;
pub(crate) mod streams;
pub(crate) mod tree;

use nix::sys::prctl;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::wait::{WaitPidFlag, waitpid};
use procession_pipe::{PipeReader, PipeWriter};
use procession_process::{Cause, ExitStatus, Failure, Process, ProcessError, Task};
use procession_testkit::{children, eventually, fork_server, fork_servers};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{Read, Write};
use std::thread::park;

/// Makes a test of each case for one method.
macro_rules! suite {
    ($method:ident) => {
        $crate::suite::cases! { $method
            life {
                a_process_lives_until_it_ends,
                a_process_is_who_its_handle_says,
                a_signal_to_a_process_that_has_ended_goes_nowhere,
                joining_in_steps,
                a_result_is_given_once,
                only_what_has_ended_is_closed,
                a_sentinel_is_ready_when_the_process_has_ended,
                a_process_knows_its_name_and_kind,
                many_processes_end_and_are_reaped,
                many_processes_are_terminated_at_once,
                a_child_without_a_handle_is_active_until_it_ends,
                a_handle_that_is_dropped_leaves_no_zombie,
                a_handle_that_is_dropped_keeps_nobody_from_forking,
                an_end_is_told_to_those_who_asked,
                a_child_of_a_thread_that_ended_lives_on
                    except Fork "a process that has a second thread is not forked",
                at_its_exit_a_process_waits_for_its_children_and_ends_its_daemons,
                a_setup_runs_before_the_task_and_in_order,
            }
            tree {
                children_have_children,
                processes_are_nested_to_any_depth,
                a_handle_goes_down_the_tree,
            }
            ends {
                four_ends_are_told_apart,
                exit_codes_are_those_of_a_rust_program,
                an_early_exit_is_not_a_result,
                a_signal_that_has_no_name_is_reported_by_its_number,
                a_stack_that_overflows_is_reported,
                a_panic_in_another_thread_of_the_child_is_that_threads_affair,
                threads_that_are_left_do_not_delay_the_end,
                a_stopped_child_is_alive_and_can_be_killed,
                a_child_that_closed_all_its_descriptors_is_reported,
                a_file_under_the_number_of_a_closed_socket_stays_clean,
                a_child_that_became_another_program_has_its_status,
            }
            interrupted {
                an_interrupt_ends_a_process,
                an_interrupt_right_after_the_start_is_not_lost,
                an_interrupt_that_is_ignored_does_nothing,
                signals_do_not_disturb_starting_and_joining,
                a_child_that_somebody_else_reaped_is_not_alive,
                children_of_a_process_that_ignores_their_ends_are_joined,
            }
            orphans {
                nobody_outlives_a_parent_that_is_killed,
                no_descendant_outlives_a_parent_that_is_killed,
                a_child_that_just_started_does_not_outlive_its_parent,
                another_program_in_a_childs_place_does_not_outlive_the_parent,
                a_detached_process_outlives_its_parent,
                a_detached_process_is_joined_like_any_other,
                a_grandchild_that_holds_everything_open_delays_no_result,
                a_grandchild_that_holds_everything_open_delays_no_end_without_a_result,
            }
            parent {
                a_child_knows_its_parent,
                a_grandchild_sees_its_parents_end,
                a_parent_that_runs_is_waited_for_in_vain,
            }
            settings {
                variables_are_set_and_removed,
                an_environment_is_cleared,
                a_variable_that_cannot_be_is_refused,
                the_environment_is_that_of_the_moment,
                the_system_shows_the_environment_that_a_child_was_given_and_no_other,
                the_system_shows_a_large_environment_too,
                the_system_shows_of_a_huge_environment_what_fits,
                the_working_directory_is_that_of_the_moment,
                a_relative_directory_starts_at_the_parents,
                a_directory_that_is_gone_is_still_the_childs,
                a_missing_directory_is_an_error_of_that_process,
                the_process_group_is_the_parents_or_as_told,
                a_group_that_is_not_there_is_an_error_of_that_process,
            }
            owner {
                a_child_belongs_to_the_user_and_the_group_it_is_given,
                a_user_who_is_not_there_is_refused,
                a_user_one_may_not_become_is_an_error_of_that_process,
                a_child_of_another_user_ends_with_its_parent,
                a_task_that_changes_its_user_ends_with_its_parent,
                a_child_of_another_user_is_of_the_family,
                a_segment_in_the_arguments_of_a_program_that_has_changed_its_user,
            }
            limits {
                memory_beyond_the_limit_is_an_abort,
                time_beyond_the_limit_is_a_signal,
                files_beyond_the_limit_are_refused,
                a_limit_beyond_the_systems_is_an_error_of_that_process,
                limits_are_the_childs_only,
                arguments_beyond_the_file_size_limit_are_an_error
                    except Fork "a forked process has its arguments, which nobody sends",
                a_result_beyond_the_file_size_limit_is_an_error_of_that_process,
            }
            streams {
                input_leads_nowhere,
                all_three_are_pipes,
                all_three_are_files,
                output_leads_nowhere_if_asked,
                streams_follow_the_parents,
                input_is_inherited_if_asked,
                closed_streams_of_the_parent_do_no_harm,
                a_panic_is_told_on_stderr,
                panics_of_several_processes_do_not_mix,
                buffered_output_is_written_once,
            }
            exit {
                hooks_are_called_by_priority_and_then_the_last_first,
                a_hook_is_called_or_cancelled_once,
                a_hook_that_panics_keeps_no_other_from_being_called,
                hooks_with_a_negative_priority_follow_the_children,
                hooks_run_in_the_process_that_registered_them,
                a_hook_may_register_another,
                no_hook_runs_in_a_process_that_is_killed,
            }
            files {
                a_child_inherits_no_file_by_accident
                    except Fork "a forked process has the open files of its parent",
                a_descriptor_above_a_lowered_limit_keeps_nobody_from_starting,
                a_child_has_nothing_of_its_siblings
                    except Fork "a forked process has the open files of its parent",
                descriptors_of_the_parent_return,
                without_descriptors_nothing_is_started_and_nothing_left,
            }
            results {
                arguments_arrive_and_the_result_comes_back,
                up_to_eight_arguments,
                an_error_of_many_causes_arrives_whole,
                large_arguments_and_results_do_not_wait_for_their_reader,
                a_large_argument_is_there_once_while_the_task_runs
                    except Fork "a forked process has its arguments, which nobody sends",
                a_panic_brings_its_message_and_place,
                an_anyhow_error_brings_its_chain,
                a_typed_error_is_a_value,
                any_value_round_trips,
            }
            misuse {
                a_result_that_cannot_be_encoded_is_an_error_of_that_process,
                a_result_that_cannot_be_decoded_is_an_error_of_that_process,
                arguments_that_cannot_be_encoded_start_nothing
                    except Fork "a forked process has its arguments, which nobody encodes",
                arguments_that_cannot_be_decoded_are_an_error_of_that_process
                    except Fork "a forked process has its arguments, which nobody decodes",
                a_setup_that_fails_is_an_error_of_that_process,
            }
        }
    };
}

/// Makes a module of each subject and a test of each case that is not excepted.
macro_rules! cases {
    ($method:ident $($subject:ident { $($case:ident $(except $other:ident $why:literal)?,)* })*) => {
        $(mod $subject {
            $($crate::suite::case! { $method $subject $case $($other $why)? })*
        })*
    };
}

macro_rules! case {
    (Fork $subject:ident $case:ident Fork $why:literal) => {
        const _: (fn(), &str) = ($crate::suite::$subject::$case, $why);
    };
    ($method:ident $subject:ident $case:ident $($other:ident $why:literal)?) => {
        #[test]
        fn $case() {
            $crate::run($crate::suite::$subject::$case);
        }
    };
}

pub(crate) use {case, cases, suite};

/// Lets this program's children be interrupted, also where it was started in the background by a
/// shell, which makes it ignore SIGINT.
pub(crate) fn hear_interrupts() {
    // SAFETY: the default installs no handler whose code could be unsound.
    unsafe { signal(Signal::SIGINT, SigHandler::SigDfl) }.unwrap();
}

/// Does nothing until it is killed.
pub(crate) fn forever() {
    loop {
        park();
    }
}

/// Runs `task` in a process of its own, which alone uses what a process has once: its environment,
/// its descriptors, its list of children. It is a daemon, and so are its children, which therefore
/// end with it when it fails.
pub(crate) fn alone<F, M>(task: F) -> F::Output
where
    F: Task<(), M>,
{
    let process = Process::builder().daemon(true).spawn(task, ());
    process.unwrap().join().unwrap()
}

/// Joins a process that fails.
pub(crate) fn failure<R: Serialize + DeserializeOwned>(process: Process<R>) -> ProcessError {
    let joined = process.join().map(drop);
    joined.expect_err("the process ends without a result")
}

/// Joins a process that ends before its task returns, and tells how it ended.
pub(crate) fn ended<R: Serialize + DeserializeOwned>(process: Process<R>) -> ExitStatus {
    let error = failure(process);
    match error.cause() {
        Cause::Ended(status) => *status,
        _ => panic!("{error}"),
    }
}

/// Joins a process that could not take up its settings, and tells why.
pub(crate) fn not_settled<R: Serialize + DeserializeOwned>(process: Process<R>) -> String {
    let error = failure(process);
    match error.cause() {
        Cause::Call(Failure::Settings(words)) => words.clone(),
        _ => panic!("{error}"),
    }
}

/// Tells a number, of a process for example, through a pipe.
pub(crate) fn tell(pipe: &mut PipeWriter, number: u32) {
    pipe.write_all(&number.to_le_bytes()).unwrap();
}

/// Waits for what [`tell`] tells.
pub(crate) fn hear(pipe: &mut PipeReader) -> u32 {
    let mut number = [0; 4];
    pipe.read_exact(&mut number).unwrap();
    u32::from_le_bytes(number)
}

/// A process that adopts the orphans below it, so that none is missed.
pub(crate) struct Household {
    server: Option<u32>,
}

impl Household {
    /// Makes it of this process, which is alone and has no children.
    pub(crate) fn new() -> Self {
        prctl::set_child_subreaper(true).unwrap();
        // The first child comes with what serves the later ones too.
        Process::spawn(|| (), ()).unwrap().join().unwrap();
        Self {
            server: fork_server(std::process::id()),
        }
    }

    /// Waits until nobody is below this process but its fork server.
    pub(crate) fn expect_nobody_else(&self) {
        eventually("nobody is left", || {
            while is_reaped() {}
            let me = std::process::id();
            children(me).is_empty() && fork_servers(me).iter().eq(&self.server)
        });
    }
}

/// Reaps an adopted child, if one has ended.
fn is_reaped() -> bool {
    let status = waitpid(None, Some(WaitPidFlag::WNOHANG));
    status.is_ok_and(|status| status.pid().is_some())
}
