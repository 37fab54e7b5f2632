"""The system calls that untrusted code may make: a list of allowed ones, as a seccomp filter.

A list of forbidden ones would miss the next way in (fork is forbidden, clone does the same). Not on the list, among
others: socket, connect, execve, ptrace, process_vm_readv, mount, unshare, memfd_create, shmget, io_uring_setup, bpf.
"""

import os
import struct

# name:number on x86_64:number on aarch64 (which lacks the older calls)
_ALLOWED = """
    read:0:63 write:1:64 readv:19:65 writev:20:66 pread64:17:67 pwrite64:18:68 close:3:57 close_range:436:436
    lseek:8:62 fstat:5:80 newfstatat:262:79 statx:332:291 fcntl:72:25 flock:73:32 fsync:74:82 fdatasync:75:83
    ftruncate:77:46 truncate:76:45 openat:257:56 openat2:437:437 getdents64:217:61 readlinkat:267:78
    faccessat:269:48 faccessat2:439:439 mkdirat:258:34 unlinkat:263:35 renameat:264:38 renameat2:316:276
    linkat:265:37 symlinkat:266:36 fchmod:91:52 fchmodat:268:53 utimensat:280:88 getcwd:79:17 chdir:80:49
    fchdir:81:50 umask:95:166 dup:32:23 dup3:292:24 pipe2:293:59 ioctl:16:29 statfs:137:43 fstatfs:138:44
    copy_file_range:326:285 sendfile:40:71 fallocate:285:47 fadvise64:221:223 open:2: stat:4: lstat:6: access:21:
    readlink:89: mkdir:83: rmdir:84: unlink:87: rename:82: link:86: symlink:88: chmod:90: utime:132: utimes:235:
    getdents:78: dup2:33: pipe:22:
    mmap:9:222 munmap:11:215 mprotect:10:226 mremap:25:216 madvise:28:233 brk:12:214 mincore:27:232 nanosleep:35:101
    clock_nanosleep:230:115 clock_gettime:228:113 clock_getres:229:114 gettimeofday:96:169 times:100:153
    getrusage:98:165 getrandom:318:278 setitimer:38:103 getitimer:36:102 alarm:37: pause:34: time:201:
    timerfd_create:283:85 timerfd_settime:286:86 timerfd_gettime:287:87
    rt_sigaction:13:134 rt_sigprocmask:14:135 rt_sigreturn:15:139 rt_sigsuspend:130:133 rt_sigpending:127:136
    rt_sigtimedwait:128:137 sigaltstack:131:132 kill:62:129 tgkill:234:131 futex:202:98 set_robust_list:273:99
    get_robust_list:274:100 rseq:334:293 set_tid_address:218:96 gettid:186:178 getpid:39:172 getppid:110:173
    getpgid:121:155 getpgrp:111: getsid:124:156 getuid:102:174 geteuid:107:175 getgid:104:176 getegid:108:177
    getresuid:118:148 getresgid:120:150 getgroups:115:158 exit:60:93 exit_group:231:94 wait4:61:260 waitid:247:95
    uname:63:160 sysinfo:99:179 getcpu:309:168 sched_yield:24:124 sched_getaffinity:204:123 sched_getparam:143:121
    sched_getscheduler:145:120 getpriority:140:141 prlimit64:302:261 getrlimit:97:163 setrlimit:160:164
    membarrier:324:283 restart_syscall:219:128 arch_prctl:158:
    ppoll:271:73 pselect6:270:72 epoll_create1:291:20 epoll_ctl:233:21 epoll_pwait:281:22 eventfd2:290:19 poll:7:
    select:23: epoll_create:213: epoll_wait:232: eventfd:284: sendto:44:206 recvfrom:45:207 sendmsg:46:211
    recvmsg:47:212 shutdown:48:210 getsockopt:55:209 setsockopt:54:208 getsockname:51:204 getpeername:52:205
"""
# What a shell and its programs need besides; namespaces, of course, are none of it.
_FOR_A_SHELL = """
    execve:59:221 fork:57: vfork:58: setpgid:109:154 setsid:112:157 tkill:200:130 fchown:93:55 fchownat:260:54 chown:92:
    lchown:94: getxattr:191:8 lgetxattr:192:9 fgetxattr:193:10 listxattr:194:11 llistxattr:195:12 flistxattr:196:13
    msync:26:227 splice:275:76 tee:276:77 setpriority:141:140 sync:162:81 syncfs:306:267
"""
# To these a shell is told that the file system has no such thing, as many haven't: a refusal makes `sed -i` complain.
_UNSUPPORTED = """
    setxattr:188:5 lsetxattr:189:6 fsetxattr:190:7 removexattr:197:14 lremovexattr:198:15 fremovexattr:199:16
"""
_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}  # AUDIT_ARCH, column of the numbers
_GUARDED = {"clone": (56, 220), "clone3": (435, 435), "socketpair": (53, 199), "prctl": (157, 167)}
_CLONE_THREAD, _CLONE_NEW_ANYTHING = 0x00010000, 0x7E020000
_AF_UNIX = 1
_PR_SET_NAME, _PR_SET_VMA = 15, 0x53564D41
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_EPERM, _ENOSYS, _ENOTSUP = 1, 38, 95
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _MACHINE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16


def _step(code: int, value: int, when_true: int = 0, when_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, when_true, when_false, value)


def _when_first_argument(number: int, test: bytes) -> bytes:
    """Allows a call whose first argument passes `test` (which goes on when it does, and skips one step when not)."""
    inside = _step(_LOAD, _FIRST_ARGUMENT_AT) + test + _step(_RETURN, _ALLOW) + _step(_RETURN, _ERRNO | _EPERM)
    return _step(_EQUAL, number, 0, len(inside) // 8) + inside


def filter_program(machine: str | None = None, shell: bool = False) -> bytes | None:
    """The filter in classic BPF, for a shell if asked; None on a machine whose call numbers aren't known here."""
    machine = machine or os.uname().machine
    if machine not in _MACHINES:
        return None
    architecture, column = _MACHINES[machine]
    # A call by another ABI of the same processor (i386, x32) has other numbers.
    steps = _step(_LOAD, _MACHINE_AT) + _step(_EQUAL, architecture, 1, 0) + _step(_RETURN, _KILL)
    steps += _step(_LOAD, _NUMBER_AT)
    steps += _step(_AT_LEAST, 0x40000000, 0, 1) + _step(_RETURN, _ERRNO | _EPERM)
    for entry in (_ALLOWED + _FOR_A_SHELL if shell else _ALLOWED).split():
        number = entry.split(":")[1 + column]
        if number:
            steps += _step(_EQUAL, int(number), 0, 1) + _step(_RETURN, _ALLOW)
    for entry in _UNSUPPORTED.split() if shell else ():
        steps += _step(_EQUAL, int(entry.split(":")[1 + column]), 0, 1) + _step(_RETURN, _ERRNO | _ENOTSUP)
    clone, clone3, socketpair, prctl = (numbers[column] for numbers in _GUARDED.values())
    # clone3 hides its flags behind a pointer: "no such call" makes libc fall back to clone, whose flags can be seen.
    steps += _step(_EQUAL, clone3, 0, 1) + _step(_RETURN, _ERRNO | _ENOSYS)
    new_processes = _step(_ANY_BIT, _CLONE_NEW_ANYTHING, 1, 0) if shell else _step(_ANY_BIT, _CLONE_THREAD, 0, 1)
    steps += _when_first_argument(clone, new_processes)
    steps += _when_first_argument(socketpair, _step(_EQUAL, _AF_UNIX, 0, 1))
    for option in (_PR_SET_NAME, _PR_SET_VMA):
        either = _step(_LOAD, _FIRST_ARGUMENT_AT) + _step(_EQUAL, option, 0, 1) + _step(_RETURN, _ALLOW)
        steps += _step(_EQUAL, prctl, 0, 4) + either + _step(_LOAD, _NUMBER_AT)
    return steps + _step(_RETURN, _ERRNO | _EPERM)
