/* Preloaded into a process: CPUID says less than the processor has.
 *
 * Linux can let CPUID fault on Intel's processors (arch_prctl, ARCH_SET_CPUID). Each fault is
 * answered here with what the processor says, less AVX-512 and AMX, and less AVX-VNNI unless
 * ANVIL_PEERS_X86_LEVEL is avxvnni. So libraries take the kernels that they have for such a
 * processor. Bits are those of Intel's manual, volume 2A, CPUID. */
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { ARCH_SET_CPUID = 0x1012, FEATURES = 7 };

static const uint32_t avx512_in_ebx =
    1u << 16 | 1u << 17 | 1u << 21 | 1u << 26 | 1u << 27 | 1u << 28 | 1u << 30 | 1u << 31;
static const uint32_t avx512_in_ecx = 1u << 1 | 1u << 6 | 1u << 11 | 1u << 12 | 1u << 14;
static const uint32_t avx512_and_amx_in_edx =
    1u << 2 | 1u << 3 | 1u << 8 | 1u << 22 | 1u << 23 | 1u << 24 | 1u << 25;
static const uint32_t avx_vnni_in_eax = 1u << 4;
static const uint32_t others_in_eax = 1u << 5 | 1u << 21 | 1u << 23; /* BF16, AMX, IFMA */
static const uint32_t others_in_edx = 1u << 4 | 1u << 5 | 1u << 8 | 1u << 10 | 1u << 19;

static int has_avx_vnni;

static long let_cpuid_run(unsigned long may_run) {
  return syscall(SYS_arch_prctl, ARCH_SET_CPUID, may_run);
}

static void answer(int signal_number, siginfo_t *info, void *context) {
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  const uint8_t *at = (const uint8_t *)registers[REG_RIP];
  (void)info;
  if (at[0] != 0x0F || at[1] != 0xA2) { /* another fault */
    signal(signal_number, SIG_DFL);
    return;
  }
  const uint32_t leaf = (uint32_t)registers[REG_RAX];
  const uint32_t part = (uint32_t)registers[REG_RCX];
  uint32_t a, b, c, d;
  let_cpuid_run(1);
  __cpuid_count(leaf, part, a, b, c, d);
  let_cpuid_run(0);
  if (leaf == FEATURES && part == 0) {
    b &= ~avx512_in_ebx;
    c &= ~avx512_in_ecx;
    d &= ~avx512_and_amx_in_edx;
  } else if (leaf == FEATURES && part == 1) {
    a &= ~(others_in_eax | (has_avx_vnni ? 0 : avx_vnni_in_eax));
    d &= ~others_in_edx;
  }
  registers[REG_RAX] = a;
  registers[REG_RBX] = b;
  registers[REG_RCX] = c;
  registers[REG_RDX] = d;
  registers[REG_RIP] += 2;
}

__attribute__((constructor)) static void begin(void) {
  const char *level = getenv("ANVIL_PEERS_X86_LEVEL");
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = answer;
  action.sa_flags = SA_SIGINFO;
  has_avx_vnni = level != NULL && strcmp(level, "avxvnni") == 0;
  if (sigaction(SIGSEGV, &action, NULL) != 0 || let_cpuid_run(0) != 0) {
    static const char message[] = "this processor or its Linux cannot hide features\n";
    (void)!write(2, message, sizeof message - 1);
    _exit(1);
  }
}
