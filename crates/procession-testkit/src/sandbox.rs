//! A kernel that refuses a system call, as a sandbox's does, played by a filter.

use libc::sock_filter;
use nix::errno::Errno;

/// Makes a system call fail from here on, for this thread and for those that it starts.
///
/// # Panics
///
/// If the kernel does not take the filter, as the other functions here.
pub fn refuse(call: libc::c_long, errno: Errno) {
    install(&refusal(call, errno), 0);
}

/// As [`refuse`], for all threads of the process.
pub fn refuse_to_all(call: libc::c_long, errno: Errno) {
    install(&refusal(call, errno), libc::SECCOMP_FILTER_FLAG_TSYNC);
}

/// Has the kernel ask a filter about each system call, with these flags.
pub fn install(program: &[sock_filter], flags: libc::c_ulong) {
    let program = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: this takes numbers only.
    let no_more = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(no_more, 0);
    let mode = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: the program lives until the call returns, and is only read.
    let set = unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program) };
    assert_eq!(set, 0, "the kernel takes the filter");
}

fn refusal(call: libc::c_long, errno: Errno) -> [sock_filter; 4] {
    let operation = |code: u32, jt, jf, k: u32| sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let refused = libc::SECCOMP_RET_ERRNO | errno as u32;
    [
        // The number of the system call is the first word of what the filter is given.
        operation(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        operation(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            0,
            1,
            call as u32,
        ),
        operation(libc::BPF_RET | libc::BPF_K, 0, 0, refused),
        operation(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
}
