/* How a system call is made, and how a process begins, on x86_64: syscall(2), the psABI's section 3.4.1. */
#pragma once

static inline long call(long number, long a, long b, long c, long d, long e, long f)
{
	register long fourth asm("r10") = d, fifth asm("r8") = e, sixth asm("r9") = f;
	long result;

	asm volatile("syscall"
		     : "=a"(result)
		     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
		     : "rcx", "r11", "memory");
	return result;
}

#define ENTRY asm(".global _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall start\n")
