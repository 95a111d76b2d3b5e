// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

contract Guestbook {
    error NotEnough(uint256 sent, uint256 fee);

    event Signed(address indexed guest, uint256 indexed number, string text);

    address public immutable host = msg.sender;
    uint256 public fee;
    string[] private _texts;
    mapping(address guest => uint256) public signatures;

    constructor(uint256 fee_) {
        fee = fee_;
    }

    function sign(string calldata text) external payable {
        if (msg.value < fee) {
            revert NotEnough(msg.value, fee);
        }
        require(bytes(text).length > 0, "say something");
        _texts.push(text);
        signatures[msg.sender]++;
        emit Signed(msg.sender, _texts.length - 1, text);
    }

    function setFee(uint256 fee_) external {
        require(msg.sender == host, "only the host");
        fee = fee_;
    }

    function at(uint256 number) external view returns (string memory) {
        return _texts[number];
    }

    function count() external view returns (uint256) {
        return _texts.length;
    }
}
