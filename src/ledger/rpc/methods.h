/* methods.h: every method: name, least and most parameters, function. */
#ifndef LEDGER_RPC_METHODS_H
#define LEDGER_RPC_METHODS_H

#include "ledger/rpc/internal.h"

#define RPC_METHODS(X)                                                                             \
    X(cairn_genesis, 0, 0, rpc_cairn_genesis)                                                      \
    X(cairn_head, 0, 2, rpc_cairn_head)                                                            \
    X(cairn_modules, 0, 0, rpc_cairn_modules)                                                      \
    X(cairn_receipt, 1, 1, rpc_cairn_receipt)                                                      \
    X(debug_getRawBlock, 1, 1, rpc_raw_block)                                                      \
    X(debug_getRawHeader, 1, 1, rpc_raw_header)                                                    \
    X(debug_getRawReceipts, 1, 1, rpc_raw_receipts)                                                \
    X(debug_getRawTransaction, 1, 1, rpc_raw_tx)                                                   \
    X(debug_traceBlockByHash, 1, 2, rpc_trace_block_by_hash)                                       \
    X(debug_traceBlockByNumber, 1, 2, rpc_trace_block_by_number)                                   \
    X(debug_traceCall, 1, 3, rpc_trace_call)                                                       \
    X(debug_traceTransaction, 1, 2, rpc_trace_tx)                                                  \
    X(eth_accounts, 0, 0, rpc_accounts)                                                            \
    X(eth_baseFee, 0, 0, rpc_base_fee)                                                             \
    X(eth_blobBaseFee, 0, 0, rpc_blob_base_fee)                                                    \
    X(eth_blockNumber, 0, 0, rpc_block_number)                                                     \
    X(eth_call, 1, 4, rpc_eth_call)                                                                \
    X(eth_capabilities, 0, 0, rpc_capabilities)                                                    \
    X(eth_chainId, 0, 0, rpc_chain_id)                                                             \
    X(eth_config, 0, 0, rpc_config)                                                                \
    X(eth_createAccessList, 1, 4, rpc_create_access_list)                                          \
    X(eth_estimateGas, 1, 4, rpc_estimate_gas)                                                     \
    X(eth_feeHistory, 2, 3, rpc_fee_history)                                                       \
    X(eth_gasPrice, 0, 0, rpc_gas_price)                                                           \
    X(eth_getBalance, 1, 2, rpc_balance)                                                           \
    X(eth_getBlockByHash, 1, 2, rpc_block_by_hash)                                                 \
    X(eth_getBlockByNumber, 1, 2, rpc_block_by_number)                                             \
    X(eth_getBlockReceipts, 1, 1, rpc_block_receipts)                                              \
    X(eth_getBlockTransactionCountByHash, 1, 1, rpc_tx_count_by_hash)                              \
    X(eth_getBlockTransactionCountByNumber, 1, 1, rpc_tx_count_by_number)                          \
    X(eth_getCode, 1, 2, rpc_code)                                                                 \
    X(eth_getFilterChanges, 1, 1, rpc_filter_changes)                                              \
    X(eth_getFilterLogs, 1, 1, rpc_filter_logs)                                                    \
    X(eth_getHeaderByHash, 1, 1, rpc_header_by_hash)                                               \
    X(eth_getHeaderByNumber, 1, 1, rpc_header_by_number)                                           \
    X(eth_getLogs, 1, 1, rpc_logs)                                                                 \
    X(eth_getProof, 2, 3, rpc_proof)                                                               \
    X(eth_getRawTransactionByHash, 1, 1, rpc_raw_tx)                                               \
    X(eth_getStorageAt, 2, 3, rpc_storage_at)                                                      \
    X(eth_getStorageValues, 1, 2, rpc_storage_values)                                              \
    X(eth_getTransactionByBlockHashAndIndex, 2, 2, rpc_tx_by_block_hash)                           \
    X(eth_getTransactionByBlockNumberAndIndex, 2, 2, rpc_tx_by_block_number)                       \
    X(eth_getTransactionByHash, 1, 1, rpc_tx_by_hash)                                              \
    X(eth_getTransactionCount, 1, 2, rpc_tx_count)                                                 \
    X(eth_getTransactionReceipt, 1, 1, rpc_tx_receipt)                                             \
    X(eth_getUncleByBlockHashAndIndex, 2, 2, rpc_uncle_by_hash)                                    \
    X(eth_getUncleByBlockNumberAndIndex, 2, 2, rpc_uncle_by_number)                                \
    X(eth_getUncleCountByBlockHash, 1, 1, rpc_uncle_count_by_hash)                                 \
    X(eth_getUncleCountByBlockNumber, 1, 1, rpc_uncle_count_by_number)                             \
    X(eth_maxPriorityFeePerGas, 0, 0, rpc_priority_fee)                                            \
    X(eth_newBlockFilter, 0, 0, rpc_new_block_filter)                                              \
    X(eth_newFilter, 1, 1, rpc_new_filter)                                                         \
    X(eth_newPendingTransactionFilter, 0, 1, rpc_new_pending_filter)                               \
    X(eth_sendRawTransaction, 1, 1, rpc_send_raw)                                                  \
    X(eth_sendRawTransactionSync, 1, 2, rpc_send_raw_sync)                                         \
    X(eth_simulateV1, 1, 2, rpc_simulate)                                                          \
    X(eth_subscribe, 1, 2, rpc_subscribe)                                                          \
    X(eth_syncing, 0, 0, rpc_syncing)                                                              \
    X(eth_uninstallFilter, 1, 1, rpc_uninstall_filter)                                             \
    X(eth_unsubscribe, 1, 1, rpc_unsubscribe)                                                      \
    X(net_listening, 0, 0, rpc_listening)                                                          \
    X(net_peerCount, 0, 0, rpc_peer_count)                                                         \
    X(net_version, 0, 0, rpc_net_version)                                                          \
    X(rpc_modules, 0, 0, rpc_namespaces)                                                           \
    X(testing_buildBlockV1, 2, 4, rpc_build_block)                                                 \
    X(txpool_content, 0, 0, rpc_pool_content)                                                      \
    X(txpool_contentFrom, 1, 1, rpc_pool_content_from)                                             \
    X(txpool_inspect, 0, 0, rpc_pool_inspect)                                                      \
    X(txpool_status, 0, 0, rpc_pool_status)                                                        \
    X(web3_clientVersion, 0, 0, rpc_client_version)                                                \
    X(web3_sha3, 1, 1, rpc_sha3)

#define RPC_METHOD_DECLARE(method, least, most, function) rpc_method_fn function;
RPC_METHODS(RPC_METHOD_DECLARE)
#undef RPC_METHOD_DECLARE

#endif
