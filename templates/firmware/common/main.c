/* Answers the host: one inference per INVOKE, measured. See protocol.h. */
#include <stdint.h>

#include "device.h"
#include "model.h"
#include "protocol.h"
#include "stack.h"

static struct {
  int index;    /* of the input that the next byte belongs to */
  size_t start; /* of that input in the payload */
  size_t end;
} payload;

/* Inputs lie in the arena one after the other in the payload; bytes come in order. */
static void store_byte(size_t index, uint8_t byte) {
  if (index == 0) {
    payload.index = 0;
    payload.start = 0;
    payload.end = anvil_model_input_bytes(0);
  }
  while (index >= payload.end) {
    if (payload.index >= ANVIL_MODEL_N_INPUTS) {
      return; /* too long, or the CRC */
    }
    payload.index++;
    payload.start = payload.end;
    payload.end += anvil_model_input_bytes(payload.index);
  }
  ((uint8_t *)anvil_model_input(payload.index))[index - payload.start] = byte;
}

static uint32_t payload_length(void) {
  uint32_t n_bytes = 0;
  for (int i = 0; i < ANVIL_MODEL_N_INPUTS; i++) {
    n_bytes += (uint32_t)anvil_model_input_bytes(i);
  }
  return n_bytes;
}

static void send_info(uint16_t sequence) {
  protocol_begin(MESSAGE_INFO, sequence);
  protocol_put_u8(PROTOCOL_VERSION);
  protocol_put_u8((uint8_t)counter_kind());
  protocol_put_u8(ANVIL_MODEL_N_INPUTS);
  protocol_put_u8(ANVIL_MODEL_N_OUTPUTS);
  protocol_put_u32(ANVIL_MODEL_ARENA_BYTES);
  for (int i = 0; i < ANVIL_MODEL_N_INPUTS; i++) {
    protocol_put_u32((uint32_t)anvil_model_input_bytes(i));
  }
  for (int i = 0; i < ANVIL_MODEL_N_OUTPUTS; i++) {
    protocol_put_u32((uint32_t)anvil_model_output_bytes(i));
  }
  protocol_put(ANVIL_MODEL_SHA256, sizeof ANVIL_MODEL_SHA256 - 1);
  protocol_end();
}

static void send_error(uint16_t sequence, enum error_code code, uint32_t expected, uint32_t found) {
  protocol_begin(MESSAGE_ERROR, sequence);
  protocol_put_u32((uint32_t)code);
  protocol_put_u32(expected);
  protocol_put_u32(found);
  protocol_end();
}

static void invoke(const struct message *message) {
  if (message->payload_bytes != payload_length()) {
    send_error(message->sequence, ERROR_PAYLOAD_BYTES, payload_length(),
               (uint32_t)message->payload_bytes);
    return;
  }
  protocol_begin(MESSAGE_ACCEPTED, message->sequence);
  protocol_end();

  stack_paint();
  const uint64_t count = counter_measure(anvil_model_run);
  const uint32_t stack_bytes = stack_high_water_mark();

  protocol_begin(MESSAGE_RESULT, message->sequence);
  protocol_put_u64(count);
  protocol_put_u32(stack_bytes);
  for (int i = 0; i < ANVIL_MODEL_N_OUTPUTS; i++) {
    protocol_put(anvil_model_output(i), anvil_model_output_bytes(i));
  }
  protocol_end();
}

int main(void) {
  struct message message;

  soc_start();
  console_start();
  counter_start();
  while (protocol_receive(&message, store_byte)) {
    switch (message.type) {
      case MESSAGE_HELLO:
        send_info(message.sequence);
        break;
      case MESSAGE_INVOKE:
        invoke(&message);
        break;
      default:
        send_error(message.sequence, ERROR_UNKNOWN_TYPE, MESSAGE_INVOKE, message.type);
        break;
    }
  }
  console_end(0);
}
