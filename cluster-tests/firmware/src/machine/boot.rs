// SPDX-License-Identifier: MIT OR Apache-2.0

//! From the 32-bit mode in which a PVH loader starts us to Rust in long mode.
//!
//! The first 4 GiB are mapped where they are, in pages of 2 MiB. Interrupts stay off, so the red
//! zone is safe; SSE is on, for the target's code uses it.

use core::arch::global_asm;

global_asm!(
    r#"
    # The note by which QEMU knows where to start: XEN_ELFNOTE_PHYS32_ENTRY.
    .section .note.pvh, "a", @note
    .p2align 2
    .long 4
    .long 8
    .long 18
    .asciz "Xen"
    .quad pvh_start

    .section .boot, "ax"
    .code32
    .global pvh_start
pvh_start:
    cli
    cld
    movl $boot_stack_end, %esp

    # Four page directories, each of 512 pages of 2 MiB: present, writable, large.
    movl $boot_directories, %edi
    movl $0x83, %eax
    xorl %edx, %edx
    movl $2048, %ecx
1:  movl %eax, (%edi)
    movl %edx, 4(%edi)
    addl $0x200000, %eax
    addl $8, %edi
    loop 1b

    movl $boot_pointers, %edi
    movl $boot_directories, %eax
    orl $3, %eax
    movl $4, %ecx
2:  movl %eax, (%edi)
    addl $0x1000, %eax
    addl $8, %edi
    loop 2b

    movl $boot_pointers, %eax
    orl $3, %eax
    movl %eax, boot_root
    movl $boot_root, %eax
    movl %eax, %cr3

    # PAE, and SSE with its exceptions.
    movl %cr4, %eax
    orl $0x620, %eax
    movl %eax, %cr4

    # Long mode.
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax
    wrmsr

    # Paging and the coprocessor, and no emulation of it.
    movl %cr0, %eax
    andl $0xfffffff3, %eax
    orl $0x80000003, %eax
    movl %eax, %cr0

    lgdt boot_gdt_pointer
    ljmp $8, $boot_long

    .code64
boot_long:
    movw $16, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    xorl %eax, %eax
    movw %ax, %fs
    movw %ax, %gs
    movq $boot_stack_end, %rsp
    xorl %ebp, %ebp
    call rust_start
3:  hlt
    jmp 3b

    .p2align 3
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
boot_gdt_pointer:
    .word 23
    .long boot_gdt

    .section .bss.boot, "aw", @nobits
    .p2align 12
boot_root:
    .skip 4096
boot_pointers:
    .skip 4096
boot_directories:
    .skip 16384
    .skip 0x100000
boot_stack_end:
"#,
    options(att_syntax)
);
