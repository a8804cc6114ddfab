#ifndef ANVIL_PROTOCOL_H
#define ANVIL_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The framed console protocol.

   On the wire a frame is a zero byte, its body in COBS (consistent overhead byte stuffing),
   and a zero byte. COBS leaves no zero inside a frame, so that a receiver finds the next
   frame after line noise or a frame that was cut off, whatever the lengths said.

   body = type (1 byte), sequence (2), payload, CRC-32 of all of that (4); little-endian.
   The CRC is that of Ethernet and zlib. An answer repeats the sequence of its request. A
   damaged frame is dropped without an answer: the host asks again.

   HELLO    -> INFO      version (1), counter kind (1), number of inputs (1) and outputs (1),
                         arena bytes (4), bytes of each input and output (4 each), SHA-256 of
                         the model (64 hex digits)
   INVOKE   -> ACCEPTED  payload: all inputs, one after the other
            -> RESULT    count (8), stack bytes (4), all outputs
            or ERROR     code (4), what was expected (4), what was found (4)
   a fault  -> FAULT     exception number, pc, lr, CFSR, HFSR, address, sp (4 each),
            or, of RISC-V, mcause, mepc, ra, mtval, sp, the bottom of the stack (4 each) */

#define PROTOCOL_VERSION 1

enum message_type {
  MESSAGE_HELLO = 0x01,
  MESSAGE_INVOKE = 0x02,
  MESSAGE_INFO = 0x81,
  MESSAGE_ACCEPTED = 0x82,
  MESSAGE_RESULT = 0x83,
  MESSAGE_ERROR = 0x84,
  MESSAGE_FAULT = 0x85,
};

enum error_code {
  ERROR_UNKNOWN_TYPE = 1,
  ERROR_PAYLOAD_BYTES = 2,
};

struct message {
  uint8_t type;
  uint16_t sequence;
  size_t payload_bytes;
};

/* Where the payload of a frame goes: byte `index` of it, in order. */
typedef void (*payload_sink)(size_t index, uint8_t byte);

/* Waits for the next undamaged frame. The sink also gets the payload of frames that turn out
   to be damaged, and the four bytes of the CRC after it. False at the end of the input. */
bool protocol_receive(struct message *message, payload_sink sink);

/* A frame is sent as begin, any number of puts, end. */
void protocol_begin(enum message_type type, uint16_t sequence);
void protocol_put(const void *data, size_t n_bytes);
void protocol_put_u8(uint8_t value);
void protocol_put_u32(uint32_t value);
void protocol_put_u64(uint64_t value);
void protocol_end(void);

#endif
