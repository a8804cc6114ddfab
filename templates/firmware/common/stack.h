#ifndef ANVIL_STACK_H
#define ANVIL_STACK_H

#include <stdint.h>

/* Fills the unused part of the stack with a pattern. */
void stack_paint(void);

/* Bytes between the top of the stack and the lowest word that changed since stack_paint;
   everything that runs on the stack counts, interrupt frames and main included. */
uint32_t stack_high_water_mark(void);

#endif
