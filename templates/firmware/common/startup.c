/* From reset to main, and the handlers of everything that must not happen. */
#include <stdbool.h>
#include <stdint.h>

#include "device.h"
#include "interrupts.h"
#include "protocol.h"

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
/* ARMv7-M Architecture Reference Manual, B3.2; ARMv6-M has none of them, and its vectors are
   at 0. */
#if __ARM_ARCH > 6
#define SCB_VTOR REGISTER(0xE000ED08u)
#define SCB_CFSR REGISTER(0xE000ED28u)
#define SCB_HFSR REGISTER(0xE000ED2Cu)
#define SCB_BFAR REGISTER(0xE000ED38u)
#else
#define SCB_CFSR 0
#define SCB_HFSR 0
#define SCB_BFAR 0
#endif
#define XPSR_EXCEPTION 0x1FFu

extern uint32_t _stack_bottom[], _stack_top[], _ram_end[]; /* memory.ld */
extern uint32_t _data_load[], _data_start[], _data_end[];
extern uint32_t _bss_start[], _bss_end[];

union vector {
  void (*handler)(void);
  const void *stack;
};
extern const union vector vectors[];

int main(void);
void Reset_Handler(void);
void fault_handler(void);

/* The FPU is enabled here, in assembly, before the compiler may use its registers. */
__attribute__((naked, noreturn)) void Reset_Handler(void) {
  __asm__ volatile(
#ifdef __ARM_FP
      "ldr r0, =0xE000ED88\n" /* CPACR */
      "ldr r1, [r0]\n"
      "orr r1, r1, #(0xF << 20)\n"
      "str r1, [r0]\n"
      "dsb\n"
      "isb\n"
#endif
      "b start\n");
}

/* volatile keeps the compiler from calling memcpy and memset before the memory is theirs. */
__attribute__((used, noreturn)) static void start(void) {
#ifdef SCB_VTOR
  SCB_VTOR = (uint32_t)(uintptr_t)vectors; /* not at 0 where a bootloader comes first */
#endif
  const volatile uint32_t *source = _data_load;
  for (volatile uint32_t *word = _data_start; word < _data_end; word++) {
    *word = *source++;
  }
  for (volatile uint32_t *word = _bss_start; word < _bss_end; word++) {
    *word = 0;
  }
  console_end(main());
}

/* Tells the host what happened. `frame` is what the processor stacked: r0 to r3, r12, lr, pc
   and xPSR; after a stack overflow there is none. */
__attribute__((used, noreturn)) static void report_fault(const uint32_t *frame) {
  const bool has_frame = frame >= _stack_bottom && frame + 8 <= _ram_end;
  uint32_t exception;
  __asm__ volatile("mrs %0, ipsr" : "=r"(exception));

  protocol_begin(MESSAGE_FAULT, 0);
  protocol_put_u32(exception & XPSR_EXCEPTION);
  protocol_put_u32(has_frame ? frame[6] : 0);
  protocol_put_u32(has_frame ? frame[5] : 0);
  protocol_put_u32(SCB_CFSR);
  protocol_put_u32(SCB_HFSR);
  protocol_put_u32(SCB_BFAR);
  protocol_put_u32((uint32_t)(uintptr_t)frame);
  protocol_end();
  console_end(1);
}

/* Where the stack is full the handler starts again at its top: nothing returns from here. */
__attribute__((naked, noreturn)) void fault_handler(void) {
  __asm__ volatile(
      "mov r0, sp\n"
      "ldr r1, =_stack_bottom + 512\n"
      "cmp r0, r1\n"
      "bhs 1f\n"
      "ldr r1, =_stack_top\n"
      "mov sp, r1\n"
      "1: b report_fault\n");
}

#define WEAK_HANDLER(name) void name(void) __attribute__((weak, noreturn, alias("fault_handler")))
WEAK_HANDLER(NMI_Handler);
WEAK_HANDLER(HardFault_Handler);
WEAK_HANDLER(MemManage_Handler);
WEAK_HANDLER(BusFault_Handler);
WEAK_HANDLER(UsageFault_Handler);
WEAK_HANDLER(SVC_Handler);
WEAK_HANDLER(DebugMon_Handler);
WEAK_HANDLER(PendSV_Handler);
WEAK_HANDLER(SysTick_Handler);
WEAK_HANDLER(interrupt_handler);

/* Every interrupt of the chip has an entry; none is enabled. */
__attribute__((section(".vectors"), used)) const union vector vectors[16 + N_INTERRUPTS] = {
    [0] = {.stack = _stack_top}, [1] = {Reset_Handler},
    [2] = {NMI_Handler},         [3] = {HardFault_Handler},
    [4] = {MemManage_Handler},   [5] = {BusFault_Handler},
    [6] = {UsageFault_Handler},  [11] = {SVC_Handler},
    [12] = {DebugMon_Handler},   [14] = {PendSV_Handler},
    [15] = {SysTick_Handler},    [16 ... 15 + N_INTERRUPTS] = {interrupt_handler},
};
