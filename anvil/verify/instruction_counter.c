/* A plugin for QEMU (its TCG plugin interface, version 1) that counts instructions from the
 * entry of one function to its return, in slots: a new one begins whenever the function calls
 * another, whose own calls count with it. Arguments: start=ADDRESS and, where slots are wanted,
 * end=ADDRESS behind the function, in hexadecimal; disassemble=on prints the instructions, too;
 * low=ADDRESS and high=ADDRESS count the reads of data from addresses between them.
 * The function must be entered by a call: where the block before it ends is where it returns to.
 *
 * Printed when the function returns, all numbers in hexadecimal:
 *   run
 *   SLOT ADDRESS INSTRUCTIONS TIMES TAKEN     of each block that a slot executed
 *   reads NUMBER                              where they are counted, last of a run
 *   text ADDRESS INSTRUCTION                  of each instruction, when its block is first seen
 * TAKEN counts how often the next block was not the one behind it.
 *
 * It needs no header and no library, so that any C compiler for this computer can make it:
 * what it takes from QEMU is declared below. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void (*translated_function)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*executed_function)(unsigned int, void *);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, translated_function);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, executed_function, int, void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
char *qemu_plugin_insn_disas(const struct qemu_plugin_insn *);
typedef void (*accessed_function)(unsigned int, uint32_t, uint64_t, void *);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *, accessed_function, int, int,
                                      void *);
bool qemu_plugin_mem_is_store(uint32_t);
void qemu_plugin_outs(const char *);

#define NO_CALLBACK_REGISTERS 0
/* With reads alone, QEMU 7 tells of stores instead. */
#define READS_AND_STORES 3
#define MAX_BLOCKS 65536

struct block {
  uint64_t address;
  uint64_t end; /* address behind its last instruction */
  uint64_t n_instructions;
  uint64_t n_times;
  uint64_t n_taken;
  bool is_inside; /* the function itself, and not what it calls */
};

static struct block blocks[MAX_BLOCKS];
static size_t n_blocks;
static uint64_t start;
static uint64_t end;
static uint64_t low;
static uint64_t high;
static bool disassemble;

static struct block *previous;
static bool is_counting;
static uint64_t return_address;
static uint64_t slot;
static uint64_t n_reads;

static char *append(char *to, const char *text) {
  while (*text != '\0') {
    *to++ = *text++;
  }
  return to;
}

static char *append_number(char *to, uint64_t number) {
  int shift = 60;
  while (shift > 0 && number >> shift == 0) {
    shift -= 4;
  }
  for (; shift >= 0; shift -= 4) {
    *to++ = "0123456789abcdef"[number >> shift & 15];
  }
  return to;
}

static void print_slot(void) {
  char line[128];
  for (size_t i = 0; i < n_blocks; i++) {
    struct block *block = &blocks[i];
    if (block->n_times == 0) {
      continue;
    }
    const uint64_t numbers[] = {slot, block->address, block->n_instructions, block->n_times,
                                block->n_taken};
    char *to = line;
    for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++) {
      to = append_number(to, numbers[k]);
      *to++ = k + 1 < sizeof numbers / sizeof numbers[0] ? ' ' : '\n';
    }
    *to = '\0';
    qemu_plugin_outs(line);
    block->n_times = 0;
    block->n_taken = 0;
  }
}

static void print_reads(void) {
  char line[32];
  if (high != 0) {
    char *to = append_number(append(line, "reads "), n_reads);
    *to++ = '\n';
    *to = '\0';
    qemu_plugin_outs(line);
  }
}

static void on_read(unsigned int cpu, uint32_t info, uint64_t address, void *user) {
  (void)cpu;
  (void)user;
  const bool is_within = is_counting && low <= address && address < high;
  n_reads += is_within && !qemu_plugin_mem_is_store(info);
}

static void on_executed(unsigned int cpu, void *user) {
  (void)cpu;
  struct block *block = user;
  if (!is_counting && block->address == start && previous != NULL) {
    is_counting = true;
    return_address = previous->end;
    slot = 0;
    n_reads = 0;
    previous = NULL;
    qemu_plugin_outs("run\n");
  } else if (is_counting && block->address == return_address) {
    print_slot();
    print_reads();
    is_counting = false;
  } else if (is_counting && previous != NULL && previous->is_inside && !block->is_inside) {
    print_slot();
    slot++;
  }
  if (is_counting) {
    block->n_times++;
    if (previous != NULL && previous->end != block->address) {
      previous->n_taken++;
    }
  }
  previous = block;
}

static void print_text(const struct qemu_plugin_insn *instruction) {
  char line[256];
  const char *text = qemu_plugin_insn_disas(instruction);
  char *to = append_number(append(line, "text "), qemu_plugin_insn_vaddr(instruction));
  *to++ = ' ';
  while (text != NULL && *text != '\0' && to < line + sizeof line - 2) {
    *to++ = *text++;
  }
  *to++ = '\n';
  *to = '\0';
  qemu_plugin_outs(line);
}

static void on_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
  (void)id;
  if (n_blocks == MAX_BLOCKS) {
    qemu_plugin_outs("overflow\n");
    return;
  }
  const size_t n_instructions = qemu_plugin_tb_n_insns(tb);
  const struct qemu_plugin_insn *last = qemu_plugin_tb_get_insn(tb, n_instructions - 1);
  struct block *block = &blocks[n_blocks++];
  block->address = qemu_plugin_tb_vaddr(tb);
  block->n_instructions = n_instructions;
  block->end = qemu_plugin_insn_vaddr(last) + qemu_plugin_insn_size(last);
  /* Without an end everything is inside. */
  block->is_inside = end == 0 || (start <= block->address && block->address < end);
  for (size_t i = 0; disassemble && i < n_instructions; i++) {
    print_text(qemu_plugin_tb_get_insn(tb, i));
  }
  for (size_t i = 0; high != 0 && i < n_instructions; i++) {
    qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(tb, i), on_read, NO_CALLBACK_REGISTERS,
                                     READS_AND_STORES, NULL);
  }
  qemu_plugin_register_vcpu_tb_exec_cb(tb, on_executed, NO_CALLBACK_REGISTERS, block);
}

/* The text behind `key`, or NULL where an argument begins otherwise. */
static const char *value_of(const char *argument, const char *key) {
  while (*key != '\0') {
    if (*argument++ != *key++) {
      return NULL;
    }
  }
  return argument;
}

static uint64_t number_of(const char *digits) {
  uint64_t number = 0;
  for (; *digits != '\0'; digits++) {
    number = number * 16 + (uint64_t)(*digits <= '9' ? *digits - '0' : *digits - 'a' + 10);
  }
  return number;
}

EXPORT int qemu_plugin_version = 1;

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv) {
  (void)info;
  for (int i = 0; i < argc; i++) {
    const char *value = value_of(argv[i], "start=");
    if (value != NULL) {
      start = number_of(value);
    }
    value = value_of(argv[i], "end=");
    if (value != NULL) {
      end = number_of(value);
    }
    value = value_of(argv[i], "low=");
    if (value != NULL) {
      low = number_of(value);
    }
    value = value_of(argv[i], "high=");
    if (value != NULL) {
      high = number_of(value);
    }
    value = value_of(argv[i], "disassemble=");
    disassemble = disassemble || value != NULL;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translated);
  return 0;
}
