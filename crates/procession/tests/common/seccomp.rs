//! A kernel that refuses a system call, played by a filter.

/// Refuses a system call, with this error, to this thread and to those that it starts; with
/// `SECCOMP_FILTER_FLAG_TSYNC`, to all threads of the process.
pub(crate) fn refuse(call: libc::c_long, errno: i32, flags: libc::c_ulong) {
    let operation = |code: u32, jt, jf, k: u32| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let (call, refusal) = (call as u32, libc::SECCOMP_RET_ERRNO | errno as u32);
    let mut filter = [
        // The number of the system call is the first word of what the filter is given.
        operation(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        operation(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, call),
        operation(libc::BPF_RET | libc::BPF_K, 0, 0, refusal),
        operation(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: this takes numbers only.
    let result = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(result, 0);
    // SAFETY: the kernel copies the program, which lives until the call returns.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const program,
        )
    };
    assert_eq!(result, 0);
}
