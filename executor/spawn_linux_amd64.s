#include "go_asm.h"
#include "textflag.h"

#define SYS_rt_sigprocmask 14
#define SYS_execve 59
#define SYS_chdir 80
#define SYS_setsid 112
#define SYS_exit_group 231
#define SYS_dup3 292
#define SYS_prlimit64 302
#define SYS_clone3 435

#define SIG_SETMASK 2
#define RLIMIT_NOFILE 7

#define FAILS(l) CMPQ AX, $0xfffffffffffff001; JCC l

// func spawn(a *spawning) int
//
// From clone3 on there are two processes in one memory, on one stack, of which the
// parent sleeps until the child has become another program or ended. So the child
// uses registers alone, and no signal may come to it: all are blocked, and its
// handlers are gone by the time that they no longer are.
TEXT ·spawn(SB), NOSPLIT|NOFRAME, $0-16
	MOVQ a+0(FP), BX

	MOVQ $SIG_SETMASK, DI
	LEAQ spawning_masks(BX), SI
	LEAQ (spawning_masks+8)(BX), DX
	MOVQ $8, R10
	MOVQ $SYS_rt_sigprocmask, AX
	SYSCALL

	LEAQ spawning_clone(BX), DI
	MOVQ $cloneArgs__size, SI
	MOVQ $SYS_clone3, AX
	SYSCALL
	TESTQ AX, AX
	JEQ  child
	MOVQ AX, R12

	MOVQ $SIG_SETMASK, DI
	LEAQ (spawning_masks+8)(BX), SI
	MOVQ $0, DX
	MOVQ $8, R10
	MOVQ $SYS_rt_sigprocmask, AX
	SYSCALL
	MOVQ R12, ret+8(FP)
	RET

child:
	MOVQ $SYS_setsid, AX
	SYSCALL
	FAILS(failed)

	MOVQ spawning_dir(BX), DI
	TESTQ DI, DI
	JEQ  files
	MOVQ $SYS_chdir, AX
	SYSCALL
	FAILS(failed)

files:
	MOVQ $0, R12

file:
	MOVQ (spawning_files)(BX)(R12*8), DI
	MOVQ R12, SI
	MOVQ $0, DX
	MOVQ $SYS_dup3, AX
	SYSCALL
	FAILS(failed)
	INCQ R12
	CMPQ R12, $3
	JLT  file

	MOVQ $0, DI
	MOVQ $RLIMIT_NOFILE, SI
	LEAQ spawning_openFiles(BX), DX
	MOVQ $0, R10
	MOVQ $SYS_prlimit64, AX
	SYSCALL // what can't be had is left

	MOVQ $SIG_SETMASK, DI
	LEAQ (spawning_masks+8)(BX), SI
	MOVQ $0, DX
	MOVQ $8, R10
	MOVQ $SYS_rt_sigprocmask, AX
	SYSCALL

	MOVQ spawning_path(BX), DI
	MOVQ spawning_argv(BX), SI
	MOVQ spawning_envv(BX), DX
	MOVQ $SYS_execve, AX
	SYSCALL

failed:
	NEGQ AX
	MOVQ AX, spawning_errno(BX)
	MOVQ $127, DI
	MOVQ $SYS_exit_group, AX
	SYSCALL
	INT  $3
